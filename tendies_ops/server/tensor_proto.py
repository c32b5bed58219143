"""
Reads TensorProto messages.

Source: tensorflow/core/framework/tensor.proto: bytes as they lie in memory, or a repeated field for each type whose
last value fills the rest.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from tendies_ops.server import proto_wire as wire
from tendies_ops.server.status import StatusError, invalid_argument
from tendies_ops.server.tensors import STRING, DType, NumberTensor, StringTensor, Tensor, dtype_of

# dtype name -> field number and kind on the wire
_VALUES: Final[dict[str, tuple[int, str]]] = {
    "float": (5, "f"),
    "double": (6, "d"),
    "int32": (7, "varint"),
    "uint8": (7, "varint"),
    "int16": (7, "varint"),
    "int8": (7, "varint"),
    "uint16": (7, "varint"),
    "int64": (10, "varint"),
    "bool": (11, "varint"),
    "uint32": (16, "varint"),
    "uint64": (17, "varint"),
}


def read_tensor_proto(raw: bytes, name: str) -> Tensor:
    """
    The tensor.

    :param name: for the error.
    :raises StatusError: it is none.
    """
    dtype = dtype_of(wire.last_int(raw, 1))
    shape_proto = wire.last_bytes(raw, 2) or b""
    shape = tuple(wire.signed64(wire.last_int(dim, 1)) for dim in wire.all_bytes(shape_proto, 2))
    size = math.prod(shape)
    if dtype is STRING:
        return StringTensor(shape, _filled(list(wire.all_bytes(raw, 8)), size, b"", name))
    return NumberTensor(shape, _numbers(raw, dtype, size, name))


def _numbers(raw: bytes, dtype: DType, size: int, name: str) -> Any:
    if dtype.numpy is None:
        raise StatusError("UNIMPLEMENTED", f"tensor parsing error: {name}: type {dtype.name} is not read here")
    content = wire.last_bytes(raw, 4)
    if content:
        if len(content) != size * dtype.numpy.itemsize:
            raise invalid_argument(f"tensor parsing error: {name}")
        return np.frombuffer(content, dtype.numpy)
    if dtype.name == "half":
        bits = _filled(wire.packed(raw, 13, "varint"), size, 0, name)
        return np.array(bits, np.uint16).view(np.float16)
    if dtype.name not in _VALUES:
        raise StatusError("UNIMPLEMENTED", f"tensor parsing error: {name}: type {dtype.name} is not read here")
    field, kind = _VALUES[dtype.name]
    values = _filled(wire.packed(raw, field, kind), size, 0, name)
    if kind == "varint" and dtype.name != "uint64":
        values = [wire.signed64(int(value)) for value in values]
    return np.array(values).astype(dtype.numpy)


def _filled(values: list[Any], size: int, nothing: Any, name: str) -> list[Any]:
    if len(values) > size:
        raise invalid_argument(f"tensor parsing error: {name}")
    last = values[-1] if values else nothing
    return values + [last] * (size - len(values))
