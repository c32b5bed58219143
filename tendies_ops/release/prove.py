"""Golden images through the real REST road: what a replica answers must be what the exporter promised."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

from tendies_ops.errors import (
    BadAnswerError,
    ModelServerError,
    ProofFailedError,
    ProofInterruptedError,
    PublishError,
    ServerUnreachableError,
    VersionGoneError,
)
from tendies_ops.release.fleet import Fleet
from tendies_ops.spec.manifest import GoldenEntry, Manifest

# Tensors (boxes, scores) differ between CPU models and instruction sets by a few units in the last places of a float32
# that went through a hundred layers; pictures are rounded to 8 bits and have the tolerance of the spec.
_TENSOR_TOLERANCE = 1e-3


class _Address(TypedDict, total=False):
    version: int
    label: str


@dataclass(frozen=True)
class GoldenImage:
    """A picture to send and what must come back."""

    name: str
    input: bytes
    promised: Mapping[str, bytes]  #: signature output -> file, or JSON of a tensor
    is_tensor: Mapping[str, bool]


@dataclass(frozen=True)
class Proof:
    """What one replica answered."""

    server: str
    images: int
    max_abs: float  #: largest difference to the promise, of 255 (pictures) or relative (tensors)
    answers: Mapping[str, bytes]  #: golden name -> the picture that came back (models whose one output is a picture)


def read_golden(version_dir: Path, manifest: Manifest) -> tuple[GoldenImage, ...]:
    """
    Read the golden images of a version.

    :raises PublishError: there are none, or they cannot be read.
    """
    if not manifest.golden:
        raise PublishError(
            f"{version_dir} has no golden images, so no server can prove what it computes. "
            "Export it with `tendies export`."
        )
    try:
        return tuple(_read_entry(version_dir, entry) for entry in manifest.golden)
    except OSError as error:
        raise PublishError(f"The golden images of {version_dir} cannot be read: {error}.") from error


def prove_version(
    fleet: Fleet,
    version: int,
    golden: tuple[GoldenImage, ...],
    *,
    tolerance: float,
    servers: Sequence[str] | None = None,
    label: str | None = None,
) -> list[Proof]:
    """
    Send every golden image to ``/versions/N`` of every replica.

    :param tolerance: largest difference of a pixel, of 255.
    :param servers: only these; absent: all.
    :param label: ask for this label instead of the version.
    :raises ProofInterruptedError: those that did not answer as promised went away meanwhile.
    :raises ProofFailedError: a replica answered something else, or an error; each such replica is named.
    """
    address: _Address = {"version": version} if label is None else {"label": label}
    results = fleet.each(lambda server: _prove_one(fleet, server, address, golden, tolerance), servers)
    wrong = [result for result in results.values() if isinstance(result, ProofFailedError)]
    if wrong:
        away = all(isinstance(error, ProofInterruptedError) for error in wrong)
        raise (ProofInterruptedError if away else ProofFailedError)("; ".join(map(str, wrong)))
    return [result for result in results.values() if isinstance(result, Proof)]


def _prove_one(
    fleet: Fleet, server: str, address: _Address, golden: tuple[GoldenImage, ...], tolerance: float
) -> Proof | ProofFailedError:
    """A proof, or what was wrong."""
    worst = 0.0
    answers: dict[str, bytes] = {}
    for image in golden:
        try:
            [row] = fleet.predictors[server].predict_rows(fleet.model_name, [image.input], **address)
            got = _outputs(row, image)
            worst = max(worst, *(_difference(image, output, got[output], tolerance) for output in image.promised))
        except (ModelServerError, ProofFailedError) as error:
            return _failed(f"{server} with golden image {image.name}", error)
        if _is_picture(image):
            answers[image.name] = next(iter(got.values()))
    try:
        _prove_order(fleet, server, address, golden, tolerance)
    except (ModelServerError, ProofFailedError) as error:
        return _failed(f"{server} with golden images in one request", error)
    return Proof(server, len(golden), worst, answers)


def _failed(asked: str, error: ModelServerError | ProofFailedError) -> ProofFailedError:
    """
    What was wrong, after what was asked.

    A server that has just started knows no version yet, so that is a sign of a restart like a lost connection.
    """
    away = isinstance(error, (ServerUnreachableError, VersionGoneError))
    return (ProofInterruptedError if away else ProofFailedError)(f"{asked}: {str(error).rstrip('.')}")


def _prove_order(
    fleet: Fleet, server: str, address: _Address, golden: tuple[GoldenImage, ...], tolerance: float
) -> None:
    """
    Two pictures in one request must come back in their order: an answer names no picture, so no batch run could tell.

    :raises ProofFailedError: they do not.
    """
    pair = [image for image in golden if _is_picture(image)][:2]
    if len(pair) < 2:
        return
    rows = fleet.predictors[server].predict_rows(fleet.model_name, [image.input for image in pair], **address)
    for image, row in zip(pair, rows, strict=True):
        for output, got in _outputs(row, image).items():
            try:
                _difference(image, output, got, tolerance)
            except ProofFailedError as error:  # noqa: PERF203 # two pictures
                raise ProofFailedError(f"{image.name} is not answered in its place: {error}") from error


def _is_picture(image: GoldenImage) -> bool:
    """Whether one picture is promised for it, and nothing else."""
    return len(image.promised) == 1 and not any(image.is_tensor.values())


def _outputs(row: Any, image: GoldenImage) -> Mapping[str, Any]:
    """Model Server gives the bare value where there is one output, and an object where there are several."""
    if len(image.promised) == 1:
        [output] = image.promised
        return {output: row[output] if isinstance(row, dict) and output in row else row}
    if not isinstance(row, dict) or image.promised.keys() - row.keys():
        found = sorted(row) if isinstance(row, dict) else type(row).__name__
        raise ProofFailedError(f"outputs {sorted(image.promised)} were promised and {found} came back")
    return row


def _difference(image: GoldenImage, output: str, got: Any, tolerance: float) -> float:
    if image.is_tensor[output]:
        return _tensor_difference(output, json.loads(image.promised[output]), got)
    if not isinstance(got, bytes):
        raise ProofFailedError(f"output {output} is {type(got).__name__} and not a picture")
    from tendies_ops.compare import compare_pixels  # brings NumPy, which most commands do without

    try:
        difference = compare_pixels(image.promised[output], got)
    except BadAnswerError as error:
        raise ProofFailedError(f"output {output}: {error}") from error
    if not difference.max_abs <= tolerance:  # written so that NaN fails
        raise ProofFailedError(
            f"the picture differs from the promised one by up to {difference.max_abs:.0f} of 255 "
            f"(mean {difference.mean_abs:.2f}); allowed is {tolerance:g}"
        )
    return difference.max_abs


def _tensor_difference(output: str, promised: Any, got: Any) -> float:
    import numpy as np

    try:
        want, have = np.asarray(promised, dtype=np.float64), np.asarray(got, dtype=np.float64)
    except (TypeError, ValueError):
        if promised == got:
            return 0.0
        raise ProofFailedError(f"output {output} differs from what was promised") from None
    if want.shape != have.shape:
        raise ProofFailedError(f"output {output} has shape {list(have.shape)}; {list(want.shape)} was promised")
    if not want.size:
        return 0.0
    difference = float(np.max(np.abs(want - have)) / max(1.0, float(np.max(np.abs(want)))))
    if not difference <= _TENSOR_TOLERANCE:  # written so that NaN fails
        raise ProofFailedError(
            f"output {output} differs by {difference:.2g} relative to its largest value; "
            f"allowed is {_TENSOR_TOLERANCE:g}"
        )
    return difference


def _read_entry(version_dir: Path, entry: GoldenEntry) -> GoldenImage:
    return GoldenImage(
        entry.name,
        (version_dir / entry.input).read_bytes(),
        {output: (version_dir / name).read_bytes() for output, name in entry.outputs.items()},
        {output: name.endswith(".json") for output, name in entry.outputs.items()},
    )
