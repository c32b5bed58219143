"""
Reads TFRecord files.

Source: tensorflow/core/lib/io/record_reader.cc: length (8 bytes), its checksum (4), data, its checksum (4).
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tendies_ops.server.status_codes import StatusError

_MASK_DELTA: Final = 0xA282EAD8


def read_records(path: Path) -> Iterator[bytes]:
    """
    Read the records of a file.

    :raises StatusError: DATA_LOSS, it is not a TFRecord file, or damaged.
    """
    data = path.read_bytes()
    offset = 0
    while offset < len(data):
        size = int.from_bytes(_checked(data, offset, offset, 8), "little")
        yield _checked(data, offset, offset + 12, size)
        offset += 12 + size + 4


def _checked(data: bytes, offset: int, start: int, size: int) -> bytes:
    """Return a part of the record at an offset after comparing it with the checksum that follows it."""
    content, checksum = data[start : start + size], data[start + size : start + size + 4]
    if len(checksum) < 4:
        raise StatusError("DATA_LOSS", f"truncated record at {offset} failed with Read less bytes than requested")
    if masked_crc(content) != int.from_bytes(checksum, "little"):
        raise StatusError("DATA_LOSS", f"corrupted record at {offset} (Is this even a TFRecord file?)")
    return content


@functools.cache
def _table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)  # CRC-32C (Castagnoli), reflected
        table.append(value)
    return tuple(table)


def masked_crc(data: bytes) -> int:
    """Return the masked CRC-32C of some bytes, the checksum of TFRecord files."""
    table = _table()
    value = 0xFFFFFFFF
    for byte in data:
        value = table[(value ^ byte) & 0xFF] ^ (value >> 8)
    value ^= 0xFFFFFFFF
    return ((value >> 15 | value << 17) + _MASK_DELTA) & 0xFFFFFFFF
