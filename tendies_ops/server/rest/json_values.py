"""
Conversion of JSON values to the values of a tensor, with the error messages of each type.

Source: tensorflow/serving util/json_tensor.cc, AddValueToTensor and JsonDecodeBase64Object.
"""

from __future__ import annotations

import re
import sys
from typing import Any, Final

import numpy as np
import pybase64
from numpy.typing import NDArray

from tendies_ops.server.graph.tensors import STRING, DType, Tensor, number_tensor, string_tensor
from tendies_ops.server.json.parse_json import JsonObject
from tendies_ops.server.json.pretty_json import debug_string, refused
from tendies_ops.server.status_codes import StatusError, invalid_argument

_INT32: Final = (-(1 << 31), (1 << 31) - 1)
_INT_RANGES: Final[dict[str, tuple[int, int]]] = {
    "int32": _INT32,
    "int16": _INT32,  # the narrow types wrap around, they are not checked
    "int8": _INT32,
    "uint8": _INT32,
    "int64": (-(1 << 63), (1 << 63) - 1),
    "uint32": (0, (1 << 32) - 1),
    "uint64": (0, (1 << 64) - 1),
}
_FLOATS: Final = ("float", "double")
# absl::Base64Unescape accepts blanks anywhere, and "=", "." or nothing as padding.
_BASE64_BLANKS: Final = re.compile(rb"[ \t\n\v\f\r]+")


def is_base64_object(value: Any) -> bool:
    """Return True if it is exactly ``{"b64": "..."}``."""
    return isinstance(value, dict) and len(value) == 1 and isinstance(value.get("b64"), str)


def converted(leaves: list[Any], dtype: DType) -> list[Any]:
    """
    Convert values to those of a type.

    :raises StatusError: for the first one that does not fit.
    """
    return leaves if _all_plain(leaves, dtype) else [_converted(leaf, dtype) for leaf in leaves]


def _all_plain(leaves: list[Any], dtype: DType) -> bool:
    """Return True if no value needs converting or checking on its own."""
    kinds = set(map(type, leaves))
    if dtype.name in _FLOATS:
        return kinds <= {int, float}
    if dtype.name == "bool":
        return kinds <= {bool}
    if dtype.name in _INT_RANGES and kinds == {int}:
        low, high = _INT_RANGES[dtype.name]
        return bool(low <= min(leaves) and max(leaves) <= high)
    return False


def _converted(value: Any, dtype: DType) -> Any:
    if dtype is STRING and isinstance(value, dict):
        return decode_base64_object(value)
    if dtype is STRING and isinstance(value, str):
        return value.encode()
    if dtype is not STRING and dtype.name not in (*_FLOATS, "bool", *_INT_RANGES) and not isinstance(value, dict):
        raise StatusError("UNIMPLEMENTED", f"Conversion of JSON Value: {debug_string(value)} to type: {dtype.name}")
    if not _all_plain([value], dtype):
        raise refused(value, f"Type: {json_type(value)} is not of expected type: {dtype.name}")
    return value


def json_type(value: Any) -> str:
    """Return RapidJSON's name of a value's type."""
    if isinstance(value, bool):
        return "True" if value else "False"
    kinds = {type(None): "Null", str: "String", list: "Array", int: "Number", float: "Number"}
    return kinds.get(type(value), "Object")


def decode_base64_object(value: JsonObject) -> bytes:
    """
    Return the bytes of a ``{"b64": ...}`` object.

    :raises StatusError: it is not such an object, or not base64.
    """
    if not is_base64_object(value):
        raise refused(value, "not formatted correctly for base64 data")
    decoded = decode_base64(value["b64"].encode())
    if decoded is None:
        raise invalid_argument("Unable to base64 decode")
    return decoded


def decode_base64(text: bytes | memoryview) -> bytes | None:
    """
    Decode as absl::Base64Unescape does.

    :return: None if that function would reject the text.
    """
    try:
        return bytes(pybase64.b64decode(text, validate=True))
    except ValueError:
        pass
    squeezed = _BASE64_BLANKS.sub(b"", bytes(text))
    bare = squeezed.rstrip(b"=.")
    padding = len(squeezed) - len(bare)
    if len(bare) % 4 == 1 or padding not in (0, -len(bare) % 4):
        return None
    try:
        return bytes(pybase64.b64decode(bare + b"=" * (-len(bare) % 4), validate=True))
    except ValueError:
        return None


def make_tensor(values: list[Any], shape: tuple[int, ...], dtype: DType) -> Tensor:
    """Make a tensor from checked values."""
    if dtype is STRING:
        return string_tensor(shape, values)
    if dtype.numpy is None:
        return Tensor(shape, dtype)  # there are no values: each one was refused
    if dtype.name in _FLOATS:
        return number_tensor(shape, _float_array(values, dtype.numpy))
    wide = np.uint64 if dtype.name == "uint64" else np.bool_ if dtype.name == "bool" else np.int64
    return number_tensor(shape, np.array(values, wide).astype(dtype.numpy))


def _float_array(values: list[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    with np.errstate(over="ignore"):
        array = np.array(values, np.float64).astype(dtype)
    # The real server works on threads that flush denormal numbers to zero.
    array[np.abs(array) < np.finfo(dtype).tiny] *= 0
    return array


assert sys.byteorder == "little"  # tensors are copied as they are in memory
