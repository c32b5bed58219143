"""Tensors on their way between JSON and TensorFlow, and the names of their types."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray


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


def _table() -> dict[int, DType]:
    rows: list[tuple[int, str, Any]] = [
        (0, "invalid", None),
        (1, "float", np.float32),
        (2, "double", np.float64),
        (3, "int32", np.int32),
        (4, "uint8", np.uint8),
        (5, "int16", np.int16),
        (6, "int8", np.int8),
        (7, "string", None),
        (8, "complex64", np.complex64),
        (9, "int64", np.int64),
        (10, "bool", np.bool_),
        (11, "qint8", None),
        (12, "quint8", None),
        (13, "qint32", None),
        (14, "bfloat16", None),
        (15, "qint16", None),
        (16, "quint16", None),
        (17, "uint16", np.uint16),
        (18, "complex128", np.complex128),
        (19, "half", np.float16),
        (20, "resource", None),
        (21, "variant", None),
        (22, "uint32", np.uint32),
        (23, "uint64", np.uint64),
        (24, "float8_e5m2", None),
        (25, "float8_e4m3fn", None),
        (26, "float8_e4m3fnuz", None),
        (27, "float8_e4m3b11fnuz", None),
        (28, "float8_e5m2fnuz", None),
        (29, "int4", None),
        (30, "uint4", None),
        (31, "int2", None),
        (32, "uint2", None),
        (33, "float4_e2m1fn", None),
    ]
    return {number: DType(number, name, None if kind is None else np.dtype(kind)) for number, name, kind in rows}


DTYPES: Final[dict[int, DType]] = _table()
STRING: Final[DType] = DTYPES[7]
BFLOAT16: Final[DType] = DTYPES[14]
NUMBER_OF: Final[dict[np.dtype[Any], int]] = {
    dtype.numpy: number for number, dtype in DTYPES.items() if dtype.numpy is not None
}


def dtype_of(number: int) -> DType:
    """The type with this number, also one that has no row here."""
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
    A tensor of a type that JSON cannot carry.

    Of an output only the shape matters, for the error that names it; an input has no values at all.
    """

    shape: tuple[int, ...]
    dtype: DType


Tensor = NumberTensor | StringTensor | OpaqueTensor
