"""Tensors on their way between JSON and TensorFlow, and the names of their types."""

from __future__ import annotations

import math
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
    name: str  #: as in error texts: ``float``
    numpy: np.dtype[Any] | None = None  #: None for strings and what JSON cannot carry

    @property
    def proto_name(self) -> str:
        """As in metadata: ``DT_FLOAT``."""
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
NUMBER_OF: Final[dict[np.dtype[Any], int]] = {
    dtype.numpy: number for number, dtype in DTYPES.items() if dtype.numpy is not None
}


def dtype_of(number: int) -> DType:
    """Return the type with this number, also one that is not known here."""
    return DTYPES.get(number, DType(number, f"unknown dtype enum ({number})"))


@dataclass(frozen=True)
class StringTensor:
    """A tensor of byte strings, row-major."""

    shape: tuple[int, ...]
    values: Sequence[bytes]

    def __post_init__(self) -> None:
        if math.prod(self.shape) != len(self.values):
            raise ValueError(f"a string tensor of shape {self.shape} needs {math.prod(self.shape)} values")


@dataclass(frozen=True, eq=False)
class NumberTensor:
    """
    A tensor of numbers or bools, row-major. TensorFlow allows four times the dimensions that numpy does, so the
    values are flat.
    """

    shape: tuple[int, ...]
    values: NDArray[Any]

    def __post_init__(self) -> None:
        if self.values.shape != (math.prod(self.shape),):
            raise ValueError(f"a tensor of shape {self.shape} does not have values of shape {self.values.shape}")


@dataclass(frozen=True)
class OpaqueTensor:
    """
    A tensor whose values only TensorFlow reads.

    :param proto: a serialised TensorProto; empty for a tensor without values. Of an output only the shape is known.
    """

    shape: tuple[int, ...]
    dtype: DType
    proto: bytes = b""


Tensor = NumberTensor | StringTensor | OpaqueTensor
