"""
From output tensors to the answer's JSON, to the byte.

Source: tensorflow/serving util/json_tensor.cc, MakeJsonFromTensors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import pybase64
from numpy.typing import NDArray

from tendies_ops.server.graph.tensors import DTYPES, NUMBER_OF, DType, OpaqueTensor, StringTensor, Tensor
from tendies_ops.server.json.pretty_json import PrettyWriter, indent, quoted
from tendies_ops.server.status_codes import StatusError, invalid_argument

_BYTES_SUFFIX: Final = "_bytes"
_UNWRITABLE: Final = ("half", "uint16", "complex64", "complex128")
# A row answer of nothing but files.
_FILES_HEAD: Final = b'{\n    "predictions": [{\n            "b64": "'
_BETWEEN_FILES: Final = b'"\n        }, {\n            "b64": "'
_FILES_TAIL: Final = b'"\n        }\n    ]\n}'


def answer_rows(outputs: Mapping[str, Tensor]) -> bytes:
    """
    ``{"predictions": [...]}``: one element for each row.

    :raises StatusError: an output has no first dimension, or they differ in it, or JSON has no such type.
    """
    batch_size = _batch_size(outputs)
    if (files := _only_files(outputs)) is not None:
        return answer_files(files)
    writer = PrettyWriter()
    writer.start(b"{")
    writer.value(b'"predictions"')
    writer.start(b"[")
    if len(outputs) == 1:
        writer.single_line_arrays = True
        ((name, tensor),) = outputs.items()
        _write(writer, _rendered(name, tensor, writer.level + len(tensor.shape) - 1), tensor.shape[1:], batch_size)
        writer.single_line_arrays = False
    else:
        _write_objects(writer, outputs, batch_size)
    writer.end()
    writer.end()
    return b"".join(writer.parts)


def _only_files(outputs: Mapping[str, Tensor]) -> Sequence[bytes] | None:
    """The values of a lone vector of bytes that has any; else None."""
    if len(outputs) != 1:
        return None
    ((name, tensor),) = outputs.items()
    if not isinstance(tensor, StringTensor) or not name.endswith(_BYTES_SUFFIX) or len(tensor.shape) != 1:
        return None
    return tensor.values or None


def answer_files(files: Sequence[bytes]) -> bytes:
    """The row answer of one output of bytes: what pictures come back in, so they are copied once only."""
    texts = [pybase64.b64encode(file) for file in files]
    texts[0] = _FILES_HEAD + texts[0]
    texts[-1] += _FILES_TAIL
    return _BETWEEN_FILES.join(texts)


def answer_columns(outputs: Mapping[str, Tensor]) -> bytes:
    """
    ``{"outputs": ...}``: each tensor whole.

    :raises StatusError: JSON has no such type.
    """
    writer = PrettyWriter()
    writer.start(b"{")
    writer.value(b'"outputs"')
    if len(outputs) > 1:
        writer.start(b"{")
    for name, tensor in outputs.items():
        if len(outputs) > 1:
            writer.value(quoted(name.encode("utf-8", "surrogateescape")))
        _write(writer, _rendered(name, tensor, writer.level + len(tensor.shape)), tensor.shape, 1)
    if len(outputs) > 1:
        writer.end()
    writer.end()
    return b"".join(writer.parts)


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


def _write_objects(writer: PrettyWriter, outputs: Mapping[str, Tensor], batch_size: int) -> None:
    level = writer.level + 1
    columns = [
        (quoted(name.encode()), _rendered(name, tensor, level + len(tensor.shape) - 1), tensor.shape[1:])
        for name, tensor in outputs.items()
    ]
    for row in range(batch_size):
        writer.start(b"{")
        writer.single_line_arrays = True
        for name, texts, shape in columns:
            size = len(texts) // batch_size
            writer.value(name)
            _write(writer, texts[row * size : (row + 1) * size], shape, 1)
        writer.single_line_arrays = False
        writer.end()


def _write(writer: PrettyWriter, texts: list[bytes], shape: tuple[int, ...], count: int) -> None:
    """Write ``count`` tensors of this shape whose values are rendered in ``texts``."""
    if not shape:
        if count == 1 and writer.level and len(texts) == 1:
            writer.value(texts[0])
        else:
            writer.values(texts)
        return
    size = len(texts) // count if count else 0
    for index in range(count):
        writer.start(b"[")
        _write(writer, texts[index * size : (index + 1) * size], shape[1:], shape[0])
        writer.end()


def _rendered(name: str, tensor: Tensor, level: int) -> list[bytes]:
    """
    Every value as JSON text.

    :param level: how many arrays and objects are open around each value; objects of bytes indent by it.
    """
    if isinstance(tensor, StringTensor):
        if name.endswith(_BYTES_SUFFIX):
            return bytes_objects(tensor, level)
        return [quoted(value) for value in tensor.values]
    if 0 in tensor.shape:
        return []
    if isinstance(tensor, OpaqueTensor):
        raise _unwritable(tensor.dtype)
    kind = tensor.values.dtype
    if kind in (np.float32, np.float64):
        return decimals(tensor.values)
    if kind == np.bool_:
        return [b"true" if value else b"false" for value in tensor.values.tolist()]
    dtype = DTYPES[NUMBER_OF[kind]]
    if dtype.name in _UNWRITABLE:
        raise _unwritable(dtype)
    return [b"%d" % value for value in tensor.values.tolist()]


def _unwritable(dtype: DType) -> StatusError:
    return invalid_argument(f"Failed to write JSON value for tensor type: {dtype.name}")


def bytes_objects(tensor: StringTensor, level: int) -> list[bytes]:
    """``{"b64": ...}`` for each value, laid out for its depth."""
    head = b"{\n" + indent(level + 1) + b'"b64": "'
    tail = b'"\n' + indent(level) + b"}"
    return [b"".join((head, pybase64.b64encode(value), tail)) for value in tensor.values]


def decimals(values: NDArray[Any]) -> list[bytes]:
    """
    Floats as JSON: six significant digits where they read back equal, else all that are needed; whole ones get ``.0``.

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
