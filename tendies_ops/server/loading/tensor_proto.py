"""
Reads TensorProto messages.

Source: tensorflow/core/framework/tensor.proto: bytes as they lie in memory, or a repeated field for each type whose
last value fills the rest.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from tendies_ops.server.graph.tensors import STRING, DType, NumberTensor, StringTensor, Tensor, dtype_of
from tendies_ops.server.status_codes import StatusError, invalid_argument

_FIELDS: Final[dict[str, str]] = {
    "float": "float_val",
    "double": "double_val",
    **dict.fromkeys(("int32", "uint8", "int16", "int8", "uint16"), "int_val"),
    "int64": "int64_val",
    "bool": "bool_val",
    "half": "half_val",
    "uint32": "uint32_val",
    "uint64": "uint64_val",
}


def tensor_of(message: Any, name: str) -> Tensor:
    """
    Read a TensorProto.

    :param name: for the error.
    :raises StatusError: it is no tensor.
    """
    dtype = dtype_of(message.dtype)
    shape = tuple(dim.size for dim in message.tensor_shape.dim)
    size = math.prod(shape)
    if dtype is STRING:
        return StringTensor(shape, _filled(message.string_val, size, b"", name))
    return NumberTensor(shape, _numbers(message, dtype, size, name))


def _numbers(message: Any, dtype: DType, size: int, name: str) -> Any:
    if dtype.numpy is None or (dtype.name not in _FIELDS and not message.tensor_content):
        raise StatusError("UNIMPLEMENTED", f"tensor parsing error: {name}: type {dtype.name} is not read here")
    if message.tensor_content:
        if len(message.tensor_content) != size * dtype.numpy.itemsize:
            raise invalid_argument(f"tensor parsing error: {name}")
        return np.frombuffer(message.tensor_content, dtype.numpy)
    values = _filled(getattr(message, _FIELDS[dtype.name]), size, 0, name)
    if dtype.name == "half":
        return np.array(values, np.uint16).view(np.float16)
    return np.array(values).astype(dtype.numpy)


def _filled(values: Sequence[Any], size: int, nothing: Any, name: str) -> list[Any]:
    if len(values) > size:
        raise invalid_argument(f"tensor parsing error: {name}")
    last = values[-1] if values else nothing
    return [*values, *[last] * (size - len(values))]
