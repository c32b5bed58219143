"""Making an output again from what is written in it, and saying whether it is the same."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tendies_ops.client import ModelServerClient
from tendies_ops.compare import compare_images
from tendies_ops.errors import InputFolderError, UsageError
from tendies_ops.files import digest_bytes
from tendies_ops.inference.options import BatchOptions
from tendies_ops.inference.outcomes import PictureError
from tendies_ops.inference.preparing import prepare
from tendies_ops.inference.provenance import read_provenance

_PARTS_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Replay:
    """How the picture that was made again compares with the one that was given."""

    verdict: Literal["exact", "within tolerance", "different"]
    max_abs: float  #: largest difference of a channel, of 255
    mean_abs: float
    facts: dict[str, Any]  #: what the picture says about itself


def replay(result: Path, source: Path, client: ModelServerClient, *, tolerance: float = 2.0) -> Replay:
    """
    Make ``result`` again and compare the pixels.

    :param result: an output with provenance.
    :param source: the picture that it was made from, or the input folder of the run.
    :param tolerance: largest difference that still counts as the same, of 255.
    :raises UsageError: there is no provenance in ``result``, or ``source`` is another picture than the one named there.
    :raises InputFolderError: a file cannot be read.
    :raises VersionGoneError: the version that made it is not served.
    """
    data = _read(result)
    facts = read_provenance(data)
    if facts is None:
        raise UsageError(
            f"{result} does not say what made it: it was written without provenance, or by something else."
        )
    picture = _read(source / facts["input"] if source.is_dir() else source)
    if digest_bytes(picture) != facts["input_digest"]:
        raise UsageError(f"{source} is not the picture that {result} was made from: its content has another digest.")
    again = _predict(picture, facts, client)
    difference = compare_images(data, again)
    if difference.max_abs == 0:
        return Replay("exact", 0.0, 0.0, facts)
    same = difference.max_abs <= tolerance
    return Replay(
        "within tolerance" if same else "different", float(difference.max_abs), float(difference.mean_abs), facts
    )


def _predict(picture: bytes, facts: dict[str, Any], client: ModelServerClient) -> bytes:
    told = {**facts["options"], "size": tuple(facts["options"]["size"]) if facts["options"]["size"] else None}
    options = BatchOptions(input="", output="", model_name=facts["model_name"], servers=(client.base_url,), **told)
    try:
        prepared = prepare(picture, options)
        answers: list[bytes] = []
        for at in range(0, len(prepared.parts), _PARTS_AT_ONCE):
            some = prepared.parts[at : at + _PARTS_AT_ONCE]
            answers += client.predict_files(facts["model_name"], some, version=facts["version"])
        return prepared.finish(answers)
    except PictureError as error:
        raise InputFolderError(f"The picture cannot be done again: {error.reason}.") from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputFolderError(f"{path} cannot be read: {error.strerror}.") from error
