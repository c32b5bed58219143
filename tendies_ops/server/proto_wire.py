"""
Reads protocol buffers without their classes.

TensorFlow's generated classes come only with ``import tensorflow``, which costs seconds and half a gigabyte.
The server needs a few fields of three messages, so it reads the wire format itself.
Source: https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

#: One field: its number and its value, an int for varints and fixed widths, bytes for everything with a length.
Field = tuple[int, int | bytes]


class WireError(ValueError):
    """These bytes are not a protocol buffer."""


def read_varint(data: bytes, offset: int) -> tuple[int, int]:
    """
    :return: the unsigned value, and the offset behind it.
    :raises WireError: it does not end.
    """
    value = shift = 0
    while True:
        if offset >= len(data) or shift > 63:
            raise WireError("a varint does not end")
        byte = data[offset]
        offset += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, offset
        shift += 7


def fields(data: bytes) -> Iterator[Field]:
    """
    The fields of one message in the order in which they lie there.

    :raises WireError: the bytes are cut short or no message.
    """
    offset = 0
    while offset < len(data):
        key, offset = read_varint(data, offset)
        number, wire_type = key >> 3, key & 7
        if wire_type == 0:
            value, offset = read_varint(data, offset)
            yield number, value
            continue
        size, offset = _size(data, offset, wire_type)
        if offset + size > len(data):
            raise WireError("a field is cut short")
        chunk = data[offset : offset + size]
        offset += size
        yield number, chunk if wire_type == 2 else int.from_bytes(chunk, "little")


def _size(data: bytes, offset: int, wire_type: int) -> tuple[int, int]:
    if wire_type == 2:
        return read_varint(data, offset)
    if wire_type in (1, 5):
        return (8 if wire_type == 1 else 4), offset
    raise WireError(f"wire type {wire_type} is unknown")


def all_bytes(data: bytes, number: int) -> list[bytes]:
    """Every value of a field of messages or strings."""
    return [value for field, value in fields(data) if field == number and isinstance(value, bytes)]


def last_bytes(data: bytes, number: int) -> bytes | None:
    """The value of a single message or string field; the last one counts."""
    found = all_bytes(data, number)
    return found[-1] if found else None


def last_int(data: bytes, number: int, default: int = 0) -> int:
    """The value of a single integer field, as an unsigned number."""
    for field, value in fields(data):
        if field == number and isinstance(value, int):
            default = value
    return default


def signed64(value: int) -> int:
    """An int64 as the wire carries it (two's complement) as a number."""
    return value - (1 << 64) if value >= 1 << 63 else value


def packed(data: bytes, number: int, kind: str) -> list[float | int]:
    """
    A repeated number field, packed or not.

    :param kind: a ``struct`` letter for fixed widths (``f``, ``d``), or ``varint``.
    """
    values: list[float | int] = []
    for field, value in fields(data):
        if field != number:
            continue
        if isinstance(value, bytes):
            values += _unpack(value, kind)
        else:
            values.append(value if kind == "varint" else _from_bits(value, kind))
    return values


def _unpack(chunk: bytes, kind: str) -> list[float | int]:
    if kind != "varint":
        return list(struct.unpack(f"<{len(chunk) // struct.calcsize(kind)}{kind}", chunk))
    values: list[float | int] = []
    offset = 0
    while offset < len(chunk):
        value, offset = read_varint(chunk, offset)
        values.append(value)
    return values


def _from_bits(bits: int, kind: str) -> float | int:
    value: float | int = struct.unpack("<" + kind, bits.to_bytes(struct.calcsize(kind), "little"))[0]
    return value


def varint(value: int) -> bytes:
    """Encode one unsigned number."""
    out = bytearray()
    while value > 0x7F:
        out.append((value & 0x7F) | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def int_field(number: int, value: int) -> bytes:
    """Encode an integer field."""
    return varint(number << 3) + varint(value & (1 << 64) - 1)


def bytes_field(number: int, value: bytes) -> bytes:
    """Encode a string or message field."""
    return varint(number << 3 | 2) + varint(len(value)) + value


def double_field(number: int, value: float) -> bytes:
    """Encode a double field."""
    return varint(number << 3 | 1) + struct.pack("<d", value)
