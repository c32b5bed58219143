"""Prove a replica: its answers to the golden images, through REST, must be those that the exporter promised."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tendies_ops.errors import (
    BadAnswerError,
    ModelServerError,
    NotProvedError,
    ProofFailedError,
    ProofInterruptedError,
    ServerSickError,
    ServerUnreachableError,
    VersionGoneError,
    WrongContractError,
)
from tendies_ops.release.replicas.ask import Patience
from tendies_ops.release.replicas.fleet import Fleet
from tendies_ops.release.replicas.golden_images import GoldenImage

# Tensors (boxes, scores) differ between CPU models and instruction sets by a few units in the last places of a float32
# that went through a hundred layers; pictures are rounded to 8 bits and have the tolerance of the spec.
_TENSOR_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Proof:
    """The proof of one replica."""

    server: str
    images: int
    max_abs: float  #: largest difference to the promise, of 255 (pictures) or relative (tensors)
    answers: Mapping[str, bytes]  #: golden name -> the picture that it returned (models whose one output is a picture)


def prove_version(
    fleet: Fleet,
    version: int,
    golden: tuple[GoldenImage, ...],
    *,
    tolerance: float,
    servers: Sequence[str] | None = None,
    cancelled: threading.Event | None = None,
) -> list[Proof]:
    """
    Send every golden image to ``/versions/N`` of every replica.

    :param tolerance: largest difference of a pixel, of 255.
    :param servers: only these; absent: all.
    :param cancelled: when set, no request is repeated.
    :raises ProofInterruptedError: the replicas that did not answer as promised had restarted.
    :raises NotProvedError: no replica answered wrongly, and one could not be proved.
    :raises ProofFailedError: a replica returned something else, or an error; each such replica is named.
    :raises StoppedError: it was cancelled.
    """

    def examine(server: str) -> Proof | ProofFailedError:
        return _Examination(fleet, server, version, tolerance, Patience(cancelled)).prove(golden)

    results = fleet.each(examine, servers)
    failed = [result for result in results.values() if isinstance(result, ProofFailedError)]
    if failed:
        raise _verdict(failed)("; ".join(str(error) for error in sorted(failed, key=_rank)))
    return [result for result in results.values() if isinstance(result, Proof)]


def _verdict(failed: Sequence[ProofFailedError]) -> type[ProofFailedError]:
    """Return the class of the error: one wrong answer decides; otherwise not proved, unless all only restarted."""
    return type(min(failed, key=_rank))


def _rank(error: ProofFailedError) -> int:
    return {NotProvedError: 1, ProofInterruptedError: 2}.get(type(error), 0)


@dataclass(frozen=True)
class _Examination:
    """The proof of one replica, under way."""

    fleet: Fleet
    server: str
    version: int
    tolerance: float
    patience: Patience

    def prove(self, golden: tuple[GoldenImage, ...]) -> Proof | ProofFailedError:
        """Return the proof, or the error."""
        worst = 0.0
        answers: dict[str, bytes] = {}
        for image in golden:
            try:
                [row] = self._ask([image])
                got = _outputs(row, image)
                found = (_difference(image, output, got[output], self.tolerance) for output in image.promised)
                worst = max(worst, *found)
            except (ModelServerError, ProofFailedError) as error:
                return _failed(f"{self.server} with golden image {image.name}", error)
            if _is_picture(image):
                answers[image.name] = next(iter(got.values()))
        try:
            self._prove_order(golden)
        except (ModelServerError, ProofFailedError) as error:
            return _failed(f"{self.server} with golden images in one request", error)
        return Proof(self.server, len(golden), worst, answers)

    def _prove_order(self, golden: tuple[GoldenImage, ...]) -> None:
        """
        Check that two pictures in one request are answered in their order, because an answer names no picture.

        :raises ProofFailedError: they are not.
        """
        pair = [image for image in golden if _is_picture(image)][:2]
        if len(pair) < 2:
            return
        for image, row in zip(pair, self._ask(pair), strict=True):
            for output, got in _outputs(row, image).items():
                try:
                    _difference(image, output, got, self.tolerance)
                except ProofFailedError as error:  # noqa: PERF203 # two pictures
                    raise ProofFailedError(f"{image.name} is not answered in its place: {error}") from error

    def _ask(self, images: Sequence[GoldenImage]) -> list[Any]:
        client = self.fleet.predictors[self.server]
        return self.patience.ask(client, self.fleet.model_name, images, version=self.version)


def _failed(asked: str, error: ModelServerError | ProofFailedError) -> ProofFailedError:
    """
    Return the error of a proof.

    :param asked: what was asked, to begin the message with.
    :param error: a version that is gone counts as a restart: a server that has just started knows no version yet.
    """
    kind: type[ProofFailedError] = ProofFailedError
    if isinstance(error, ServerUnreachableError | VersionGoneError):
        kind = ProofInterruptedError
    elif isinstance(error, ServerSickError | WrongContractError | NotProvedError):
        kind = NotProvedError
    return kind(f"{asked}: {str(error).rstrip('.')}")


def _is_picture(image: GoldenImage) -> bool:
    """Return True if one picture is promised for it, and nothing else."""
    return len(image.promised) == 1 and not any(image.is_tensor.values())


def _outputs(row: Any, image: GoldenImage) -> Mapping[str, Any]:
    """Return outputs by name: Model Server returns the bare value of one output, and an object of several."""
    if len(image.promised) == 1:
        [output] = image.promised
        return {output: row[output] if isinstance(row, dict) and output in row else row}
    if not isinstance(row, dict) or image.promised.keys() - row.keys():
        found = sorted(row) if isinstance(row, dict) else type(row).__name__
        raise ProofFailedError(f"outputs {sorted(image.promised)} were promised and {found} were returned")
    return row


def _difference(image: GoldenImage, output: str, got: Any, tolerance: float) -> float:
    if image.is_tensor[output]:
        return _tensor_difference(output, json.loads(image.promised[output]), got)
    if not isinstance(got, bytes):
        raise ProofFailedError(f"output {output} is {type(got).__name__}, not a picture")
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
