"""Make an output again from its provenance, and compare."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import orjson

from tendies_ops.client import ModelServerClient
from tendies_ops.errors import InputFolderError, UsageError
from tendies_ops.files import digest_bytes
from tendies_ops.inference.ledger.outcomes import Found, PictureError
from tendies_ops.inference.options import BatchOptions
from tendies_ops.inference.picture.parameter_pictures import ParameterPictures
from tendies_ops.inference.picture.picture import Picture
from tendies_ops.inference.picture.prepare import open_upright, prepare
from tendies_ops.inference.results import Answers, ResultMaker
from tendies_ops.inference.results.provenance import KEYWORD, read_provenance
from tendies_ops.inference.storage.local import LocalInput

_PARTS_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Replay:
    """The comparison of a result with the one that was made again."""

    verdict: Literal["exact", "within tolerance", "different"]
    max_abs: float  #: largest difference of a channel, of 255; of numbers, of their share
    mean_abs: float
    facts: dict[str, Any]  #: the provenance


def replay(
    result: Path,
    source: Path,
    client: ModelServerClient,
    *,
    tolerance: float = 2.0,
    model_base_path: Path | None = None,
) -> Replay:
    """
    Make ``result`` again and compare the pixels, or the numbers of a JSON result.

    :param result: an output with provenance.
    :param source: its input picture, or the input folder of the run.
    :param tolerance: largest difference that still counts as the same, of 255.
    :param model_base_path: has the version with the pictures of choices, if such a choice was used.
    :raises UsageError: ``result`` has no provenance, or ``source`` is not the picture that it names.
    :raises InputFolderError: a file cannot be read.
    :raises VersionGoneError: the version that made it is not served.
    """
    data = _read(result)
    facts = read_provenance(data)
    if facts is None:
        raise UsageError(f"{result} has no provenance: it was written without, or by another program.")
    picture = _read(source / facts["input"] if source.is_dir() else source)
    if digest_bytes(picture) != facts["input_digest"]:
        raise UsageError(f"{source} is not the picture that {result} was made from: its content has another digest.")
    folder = source if source.is_dir() else source.parent
    again = _made_again(picture, facts, client, result, (folder, model_base_path))
    max_abs, mean_abs = _difference(data, again)
    if max_abs == 0:
        return Replay("exact", 0.0, 0.0, facts)
    return Replay("within tolerance" if max_abs <= tolerance else "different", max_abs, mean_abs, facts)


def _made_again(
    picture: bytes,
    facts: dict[str, Any],
    client: ModelServerClient,
    result: Path,
    places: tuple[Path, Path | None],
) -> bytes:
    """
    Return the file that a run would write now instead of ``result``.

    :param places: the input folder and the model's base path, which have the pictures that parameters name.
    """
    options = BatchOptions(
        input="", output="", model_name=facts["model_name"], servers=(client.base_url,), **facts["options"]
    )
    answers = Answers.from_facts(facts)
    version_dir = None if places[1] is None else places[1] / str(facts["version"])
    inputs = ParameterPictures(LocalInput(places[0]), version_dir, options).to_send(facts.get("parameters", {}))
    try:
        prepared = prepare(picture, options if answers.kind == "picture" else options.replaced(animated="first"))
        rows: list[Any] = []
        for at in range(0, len(prepared.parts), _PARTS_AT_ONCE):
            rows += _predict(prepared.parts[at : at + _PARTS_AT_ONCE], facts, client, answers, inputs)
        found = Found(facts["input"], len(picture), 0, "again")
        again = Picture(found, 1, "", prepared.finish, rows, 0, windows=prepared.windows)
        maker = ResultMaker(answers, options.replaced(provenance=False), {})
        files = maker.make(again, rows, lambda: open_upright(picture, options))
    except PictureError as error:
        raise InputFolderError(f"The picture cannot be processed again: {error.reason}.") from error
    of_its_kind = [file for file in files if file.path.endswith(result.suffix)] or files
    folders = [file for file in of_its_kind if file.path.split("/")[0] in result.parts]
    return (folders or of_its_kind)[0].data


def _predict(
    files: list[bytes], facts: dict[str, Any], client: ModelServerClient, answers: Answers, inputs: dict[str, Any]
) -> list[Any]:
    address: dict[str, Any] = {"version": facts["version"], "inputs": [inputs] * len(files)}
    if answers.kind == "picture":
        return list(client.predict_files(facts["model_name"], files, **address))
    rows = client.predict_rows(facts["model_name"], files, **address)
    return [answers.row(row) for row in rows]


def _difference(data: bytes, again: bytes) -> tuple[float, float]:
    """
    Return the largest and mean difference, of 255, of two pictures' channels or of two JSON results' numbers.

    Numbers are compared relative to the larger one, or to 1 if both are smaller. Other texts, more or fewer numbers or
    frames, and another size count as 255.
    """
    if not data.startswith(b"{"):
        return _difference_of_frames(data, again)
    first, second = (list(_numbers({**orjson.loads(text), KEYWORD: None})) for text in (data, again))
    if [path for path, _ in first] != [path for path, _ in second]:
        return 255.0, 255.0
    shares = [abs(a - b) / max(1.0, abs(a), abs(b)) for (_, a), (_, b) in zip(first, second, strict=True)]
    return 255.0 * max(shares, default=0.0), 255.0 * sum(shares) / max(1, len(shares))


def _difference_of_frames(data: bytes, again: bytes) -> tuple[float, float]:
    from tendies_ops.compare import compare_frames  # imports NumPy, which most commands do not need

    frames = [(255.0, 255.0) if one is None else (one.max_abs, one.mean_abs) for one in compare_frames(data, again)]
    return max(max_abs for max_abs, _ in frames), sum(mean_abs for _, mean_abs in frames) / len(frames)


def _numbers(value: Any, path: str = "") -> Iterator[tuple[str, float]]:
    """Yield every number of a document with its path; a text becomes part of the path."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _numbers(inner, f"{path}/{name}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _numbers(inner, f"{path}/{index}")
    elif isinstance(value, int | float):
        yield path, float(value)
    else:
        yield f"{path}={value}", 0.0


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputFolderError(f"{path} cannot be read: {error.strerror}.") from error
