"""Fields of protocol buffers, read without their descriptors."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5


def mapped(path: Path) -> memoryview:
    """
    Return a file's bytes, which are read only where they are used.

    It is not closed by hand: views of it may live longer.

    :raises OSError: it cannot be read.
    :raises ValueError: it is empty.
    """
    with path.open("rb") as stream:
        return memoryview(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ))


def text(value: memoryview) -> str:
    """Return a field of text."""
    return bytes(value).decode("utf-8", "replace")


def messages(data: memoryview, number: int, *inner: int) -> Iterator[memoryview]:
    """Yield every occurrence of a field along a path of field numbers: none is left out because a later one wins."""
    for value in _values(data, number):
        if inner:
            yield from messages(value, *inner)
        else:
            yield value


def number(data: memoryview, field: int) -> int:
    """Return a signed varint field; 0 if it is absent. A later one replaces an earlier one."""
    value = 0
    for found, one in all_fields(data):
        if found == field and isinstance(one, int):
            value = one
    return value - (1 << 64) if value >= 1 << 63 else value


def _values(data: memoryview, wanted: int) -> Iterator[memoryview]:
    for field, value in all_fields(data):
        if field == wanted and not isinstance(value, int):
            yield value


def all_fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield number and value of each varint and length-delimited field of one message, in order."""
    offset = 0
    while offset < len(data):
        key, offset = varint(data, offset)
        kind = key & 7
        if kind == _VARINT:
            value, offset = varint(data, offset)
            yield key >> 3, value
            continue
        if kind == _LENGTH:
            size, offset = varint(data, offset)
        elif kind in (_FIXED64, _FIXED32):
            size = 8 if kind == _FIXED64 else 4
        else:
            raise ValueError(f"it has a field of the unknown wire type {kind}")
        if offset + size > len(data):
            raise ValueError("it is cut short")
        if kind == _LENGTH:
            yield key >> 3, data[offset : offset + size]
        offset += size


def varint(data: memoryview, offset: int) -> tuple[int, int]:
    """Return the variable-length number at ``offset``, and the offset behind it."""
    value = shift = 0
    while offset < len(data) and shift <= 63:
        byte = data[offset]
        offset += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, offset
        shift += 7
    raise ValueError("it is cut short")
