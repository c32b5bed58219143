"""
Bodies of ``:predict`` in row format, for models that take whole files.

    {"instances": [{"b64": "..."}, ...]}  ->  {"predictions": [{"b64": "..."}, ...]}

and in column format, where inputs that all files share are sent once.

Bodies of megabytes are the rule, so a request is joined instead of built as a tree, and an answer of the plain shape
is cut at its separators instead of parsed. Every other shape goes through a JSON parser. Source of the shapes:
tensorflow/serving ``g3doc/api_rest.md`` ("Encoding binary values") and ``util/json_tensor.cc``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import pybase64

from tendies_ops.errors import BadAnswerError, WrongContractError
from tendies_ops.rest_api.plain_words import plain_words

#: What the exporter calls the input that takes the file.
PICTURE_INPUT = "input_bytes"
_HEAD = b'{"instances":[{"b64":"'
_BETWEEN = b'"},{"b64":"'
_TAIL = b'"}]}'
_SHOWN_CHARACTERS = 200
_MAX_DEPTH = 100  # of lists and objects inside each other; a tensor has a few dimensions
_MAX_VALUES_FOR_FILES = 1_000_000  # that an answer may hold which should hold files
_BYTES_PER_LIST = 8  # `[0.1], ` at least: an empty list costs 20 times as much memory as it has bytes
_ANSWER_HEAD = b'{"predictions":[{"b64":"'


@dataclass(frozen=True, slots=True)
class SharedInputs:
    """A model's inputs besides the picture, some of them the same for every picture and sent once."""

    rows: Sequence[Mapping[str, Any]]  #: those of each picture, as JSON by name
    common: Mapping[str, Any]  #: one value for all pictures, as JSON by name


Inputs = Sequence[Mapping[str, Any]] | SharedInputs


def predict_body(files: Sequence[bytes], *, inputs: Inputs | None = None) -> bytes:
    """
    Return the body that sends ``files`` as one batch.

    :param files: whole encoded files; at least one, or the server refuses the request.
    :param inputs: the model's inputs besides the picture, as JSON by name, one mapping for each file. Shared ones make
        a body in column format, where each input has its own number of rows.
    """
    if isinstance(inputs, SharedInputs):
        return _column_body(files, inputs)
    if inputs and any(inputs):
        encoded = [{"b64": pybase64.b64encode(file).decode("ascii")} for file in files]
        rows = [{PICTURE_INPUT: file, **more} for file, more in zip(encoded, inputs, strict=True)]
        return orjson.dumps({"instances": rows})
    parts = [_HEAD]
    for file in files:
        parts += (pybase64.b64encode(file), _BETWEEN)
    parts[-1] = _TAIL
    return b"".join(parts)  # once: a join of a join copies megabytes twice


def _column_body(files: Sequence[bytes], inputs: SharedInputs) -> bytes:
    columns: dict[str, Any] = {
        PICTURE_INPUT: [{"b64": pybase64.b64encode(file).decode("ascii")} for file in files],
        **{name: [row[name] for row in inputs.rows] for name in inputs.rows[0]},
        **{name: [value] for name, value in inputs.common.items()},
    }
    return orjson.dumps({"inputs": columns})


def parse_files_answer(body: bytes, count: int) -> list[bytes]:
    """
    Read the answer of a model with one ``*_bytes`` output.

    :param body: the whole answer.
    :param count: how many files were sent.
    :return: as many files, in the same order.
    :raises BadAnswerError: it is cut short, garbled or of another length.
    :raises WrongContractError: it is a whole answer that holds something else than files.
    """
    files = _cut_plain_answer(body, count)
    if files is not None:
        return files
    if body.count(b",") > _MAX_VALUES_FOR_FILES:
        raise WrongContractError(
            f"The model answers more than {_MAX_VALUES_FOR_FILES:,} values for {count} pictures, not image files. "
            "Its signature must have one output whose name ends in `_bytes`, as `tendies export` makes it."
        )
    rows = parse_rows_answer(body, count)
    for row in rows:
        if not isinstance(row, bytes):
            raise WrongContractError(
                f"The model answers {_describe_row(row)} for a picture, not an image file. "
                "Its signature must have one output whose name ends in `_bytes`, as `tendies export` makes it."
            )
    return rows


def parse_rows_answer(body: bytes, count: int) -> list[Any]:
    """
    Read any answer, of a request in row or in column format.

    :return: an entry for each picture, as ``predictions`` holds it, with each ``{"b64": ...}`` decoded to bytes.
    :raises BadAnswerError: it is cut short, garbled or of another length.
    """
    document = _parse_json(body)
    rows = _rows_of(document, count) if isinstance(document, dict) else None
    if not isinstance(rows, list):
        raise BadAnswerError(f"The answer holds no list of predictions: {_shown(body)}.")
    if len(rows) != count:
        raise BadAnswerError(f"The answer holds {len(rows)} predictions for {count} pictures.")
    return [_decode_b64(row, _MAX_DEPTH) for row in rows]


def _rows_of(document: dict[str, Any], count: int) -> Any:
    """Return the entries of ``predictions``; of ``outputs``, whose columns are cut into rows."""
    columns = document.get("outputs")
    if not isinstance(columns, dict):
        return document.get("predictions", columns)
    if not all(isinstance(column, list) and len(column) == count for column in columns.values()):
        return None
    return [{name: column[at] for name, column in columns.items()} for at in range(count)]


def _cut_plain_answer(body: bytes, count: int) -> list[bytes] | None:
    """Slice an answer whose only strings are the pictures; None when it has any other shape."""
    start = body.find(b'"b64": "') + 8
    end = body.rfind(b'"')
    if start < 8 or end < start or _without_blanks(body[:start]) != _ANSWER_HEAD:
        return None
    if _without_blanks(body[end:]) != _TAIL:
        return None
    try:
        files = _decode_between(body, start, end)
    except ValueError:
        return None  # escaped or otherwise odd: the parser decides
    return files if len(files) == count else None


def _decode_between(body: bytes, start: int, last_end: int) -> list[bytes]:
    """
    Decode the pictures in place.

    :param start: where the first one begins.
    :param last_end: where the last one ends.
    :raises ValueError: one is not plain base64, or something else stands between two.
    """
    view = memoryview(body)
    end = body.find(b'"', start)
    files = [pybase64.b64decode(view[start:end], validate=True)]
    separator = body[end : body.find(b'"b64": "', end) + 8]
    if end < last_end and _without_blanks(separator) != _BETWEEN:
        raise ValueError("something else stands between the first two pictures")
    while end < last_end:
        if not body.startswith(separator, end):
            raise ValueError("something else stands between two pictures")
        start = end + len(separator)
        end = body.find(b'"', start)
        files.append(pybase64.b64decode(view[start:end], validate=True))
    return files


def _without_blanks(text: bytes) -> bytes:
    return text.translate(None, b" \t\r\n")


def _parse_json(body: bytes) -> Any:
    if body.count(b"[") + body.count(b"{") > 1000 + len(body) // _BYTES_PER_LIST:
        raise BadAnswerError(f"The answer holds hardly anything but lists: {_shown(body)}.")
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        pass
    try:  # Model Server writes NaN and Infinity bare, and strings without a check for UTF-8
        return json.loads(body.decode("utf-8", "surrogateescape"))
    except RecursionError as error:
        raise BadAnswerError(f"The answer holds lists too deep inside each other: {_shown(body)}.") from error
    except ValueError as error:
        raise BadAnswerError(f"The answer is not JSON ({error}): {_shown(body)}.") from error


def _decode_b64(value: Any, depth: int) -> Any:
    if depth == 0:
        raise BadAnswerError(f"The answer holds lists more than {_MAX_DEPTH} deep inside each other.")
    if isinstance(value, list):
        return [_decode_b64(item, depth - 1) for item in value] if _holds_more(value) else value
    if not isinstance(value, dict):
        return value
    if value.keys() == {"b64"} and isinstance(value["b64"], str):
        try:
            return pybase64.b64decode(value["b64"], validate=True)
        except ValueError as error:
            raise BadAnswerError(f"The answer holds base64 that does not decode ({error}).") from error
    return {name: _decode_b64(item, depth - 1) for name, item in value.items()}


def _holds_more(values: list[Any]) -> bool:
    """Return whether any of them is a list or an object: rows of numbers need no copy."""
    return any(isinstance(item, list | dict) for item in values)


def _describe_row(row: Any) -> str:
    if isinstance(row, dict):
        return f"an object with {plain_words(', '.join(sorted(row)), _SHOWN_CHARACTERS)}"
    return f"a {type(row).__name__}"


def _shown(body: bytes) -> str:
    text = body[:_SHOWN_CHARACTERS].decode("utf-8", "replace")
    return repr(text) + (f" ... ({len(body)} bytes)" if len(body) > _SHOWN_CHARACTERS else "")
