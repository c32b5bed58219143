"""Tensors on their way between JSON and TensorFlow, and the names of their types."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tendies_ops.server.protobuf.messages import DataType


@dataclass(frozen=True)
class DType:
    """One row of tensorflow/core/framework/types.proto."""

    number: int
    name: str  #: as in error messages: ``float``
    numpy: np.dtype[Any] | None = None  #: None for strings and for types that JSON cannot hold

    @property
    def proto_name(self) -> str:
        """Return the name that metadata has: ``DT_FLOAT``."""
        return "DT_" + self.name.upper()


_INTEGERS: Final = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
_NUMPY: Final = {name: name for name in ("bool", *_INTEGERS, "complex64", "complex128")} | {
    "half": "float16",
    "float": "float32",
    "double": "float64",
}


def _dtype(value: Any) -> DType:
    name = value.name.removeprefix("DT_").lower()
    return DType(value.number, name, np.dtype(_NUMPY[name]) if name in _NUMPY else None)


DTYPES: Final[dict[int, DType]] = {value.number: _dtype(value) for value in DataType.values}
STRING: Final[DType] = DTYPES[7]
_OF_NUMPY: Final = {dtype.numpy: dtype for dtype in DTYPES.values() if dtype.numpy is not None}


def dtype_of(number: int) -> DType:
    """Return the type with a number, even if the number is unknown."""
    return DTYPES.get(number, DType(number, f"unknown dtype enum ({number})"))


@dataclass(frozen=True, eq=False)
class Tensor:
    """
    A tensor, row-major. TensorFlow allows four times the dimensions that numpy does, so the values are flat.

    :param values: numbers, bools, or bytes objects; None if only TensorFlow reads them.
    :param proto: a serialised TensorProto, in place of values.
    """

    shape: tuple[int, ...]
    dtype: DType
    values: NDArray[Any] | None = None
    proto: bytes = b""


def shape_text(shape: tuple[int, ...]) -> str:
    """Return a shape as in error messages: ``[2,3]``."""
    return "[" + ",".join(map(str, shape)) + "]"


def string_tensor(shape: tuple[int, ...], values: Sequence[bytes]) -> Tensor:
    """Make a tensor of byte strings."""
    return Tensor(shape, STRING, np.array(values, object))


def number_tensor(shape: tuple[int, ...], values: NDArray[Any]) -> Tensor:
    """Make a tensor of numbers or bools; its type is that of the array."""
    return Tensor(shape, _OF_NUMPY[values.dtype], values)
