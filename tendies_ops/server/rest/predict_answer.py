"""
Output tensors as the JSON of an answer, equal to the real server's to the byte.

Source: tensorflow/serving util/json_tensor.cc, MakeJsonFromTensors.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import pybase64
from numpy.typing import NDArray

from tendies_ops.server.graph.tensors import STRING, Tensor
from tendies_ops.server.json.pretty_json import indent, lines, one_line, quoted
from tendies_ops.server.status_codes import invalid_argument

_BYTES_SUFFIX: Final = "_bytes"
_UNWRITABLE: Final = ("half", "uint16", "complex64", "complex128")


def answer_rows(outputs: Mapping[str, Tensor]) -> bytes:
    """
    Return ``{"predictions": [...]}``, with one element for each row.

    :raises StatusError: an output has no first dimension, the first dimensions differ, or JSON cannot hold the type.
    """
    batch_size = _batch_size(outputs)
    if len(outputs) == 1:
        ((name, tensor),) = outputs.items()
        texts = _rendered(name, tensor, level=1 + len(tensor.shape))
        return rows_on_one_line("predictions", _arrays(texts, tensor.shape, 1))
    columns = [
        (quoted(name.encode()), _arrays(_rendered(name, tensor, level=2 + len(tensor.shape)), tensor.shape, 1))
        for name, tensor in outputs.items()
    ]
    rows = [
        lines(b"{}", [name + b": " + values[row] for name, values in columns], level=2) for row in range(batch_size)
    ]
    return lines(b"{}", [b'"predictions": ' + lines(b"[]", rows, level=1)], level=0)


def rows_on_one_line(name: str, rows: Sequence[bytes]) -> bytes:
    """Return an object with one array: its elements on one line, its closing bracket on the next."""
    return b"".join((b'{\n    "', name.encode(), b'": [', b", ".join(rows), b"\n    ]\n}" if rows else b"]\n}"))


def answer_columns(outputs: Mapping[str, Tensor]) -> bytes:
    """
    Return ``{"outputs": ...}``, with each tensor whole.

    :raises StatusError: JSON cannot hold the type.
    """
    if len(outputs) == 1:
        ((name, tensor),) = outputs.items()
        return lines(b"{}", [b'"outputs": ' + _column(name, tensor, level=1)], level=0)
    columns = [
        quoted(name.encode("utf-8", "surrogateescape")) + b": " + _column(name, tensor, level=2)
        for name, tensor in outputs.items()
    ]
    return lines(b"{}", [b'"outputs": ' + lines(b"{}", columns, level=1)], level=0)


def _column(name: str, tensor: Tensor, level: int) -> bytes:
    """Return a tensor with each value on a line of its own."""
    texts = _rendered(name, tensor, level + len(tensor.shape))
    for axis in range(len(tensor.shape) - 1, -1, -1):
        texts = [lines(b"[]", row, level + axis) for row in _split(texts, tensor.shape, axis)]
    return texts[0]


def _arrays(texts: list[bytes], shape: tuple[int, ...], first_axis: int) -> list[bytes]:
    """Nest values in arrays, innermost first, for the axes from ``first_axis`` on."""
    for axis in range(len(shape) - 1, first_axis - 1, -1):
        texts = [one_line(row) for row in _split(texts, shape, axis)]
    return texts


def _split(texts: list[bytes], shape: tuple[int, ...], axis: int) -> Iterator[list[bytes]]:
    size = shape[axis]
    return (texts[index * size : (index + 1) * size] for index in range(math.prod(shape[:axis])))


def _batch_size(outputs: Mapping[str, Tensor]) -> int:
    batch_size = -1
    for name, tensor in outputs.items():
        if not tensor.shape:
            raise invalid_argument(f"Tensor name: {name} has no shape information ")
        if batch_size not in (-1, tensor.shape[0]):
            raise invalid_argument(
                f"Tensor name: {name} has inconsistent batch size: {tensor.shape[0]} expecting: {batch_size}"
            )
        batch_size = tensor.shape[0]
    return batch_size


def _rendered(name: str, tensor: Tensor, level: int) -> list[bytes]:
    """
    Return every value as JSON text.

    :param level: the number of arrays and objects around each value, by which ``{"b64": ...}`` objects are indented.
    """
    values = tensor.values
    if tensor.dtype is STRING and values is not None:
        return _bytes_objects(values, level) if name.endswith(_BYTES_SUFFIX) else [quoted(value) for value in values]
    if 0 in tensor.shape:
        return []
    if values is None or tensor.dtype.name in _UNWRITABLE:
        raise invalid_argument(f"Failed to write JSON value for tensor type: {tensor.dtype.name}")
    if tensor.dtype.name in ("float", "double"):
        return decimals(values)
    if tensor.dtype.name == "bool":
        return [b"true" if value else b"false" for value in values.tolist()]
    return [b"%d" % value for value in values.tolist()]


def _bytes_objects(values: Iterable[bytes], level: int) -> list[bytes]:
    """Return ``{"b64": ...}`` for each value, laid out for its depth."""
    head = b"{\n" + indent(level + 1) + b'"b64": "'
    tail = b'"\n' + indent(level) + b"}"
    return [b"".join((head, pybase64.b64encode(value), tail)) for value in values]


def decimals(values: NDArray[Any]) -> list[bytes]:
    """
    Return floats as JSON: with six digits if they read back equal, otherwise with as many as needed.

    :param values: flat, float32 or float64.
    """
    # The real server writes on threads that flush denormal numbers to zero.
    zeros = np.copysign(values.dtype.type(0), values)  # with the sign; infinity times 0 would be a warning in the log
    flushed = np.where(np.abs(values) < np.finfo(values.dtype).tiny, zeros, values)
    plain = flushed.tolist()
    short = ["%.6g" % value for value in plain]  # noqa: UP031  # printf's own %g, a third faster than format()
    exact = (np.array(short, np.float64).astype(values.dtype) == flushed).tolist() if plain else []
    precise = "%.9g" if values.dtype == np.float32 else "%.17g"
    return [
        _with_point(text if same else precise % value).encode()
        for text, same, value in zip(short, exact, plain, strict=True)
    ]


def _with_point(text: str) -> str:
    if "." in text or "e" in text:
        return text
    return {"nan": "NaN", "-nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}.get(text) or text + ".0"
