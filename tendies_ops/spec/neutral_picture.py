"""The picture that is sent where a model takes a second one and none was chosen."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from tendies_ops.spec.input_contract import InputContract

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_EIGHT_BIT_COLOUR = struct.pack(">BBBBB", 8, 2, 0, 0, 0)


def neutral_picture(contract: InputContract) -> bytes:
    """
    Make a colour ramp of the contract's size as a PNG.

    The export proves a version with it, and a release sends the same.
    """
    size = contract.size
    height, width = (size.height, size.width) if size else (64, 64)
    rows = b"".join(b"\0" + bytes(_row(y, height, width)) for y in range(height))
    head = struct.pack(">II", width, height) + _EIGHT_BIT_COLOUR
    return _SIGNATURE + _chunk(b"IHDR", head) + _chunk(b"IDAT", zlib.compress(rows, 9)) + _chunk(b"IEND", b"")


def _row(y: int, height: int, width: int) -> Iterator[int]:
    for x in range(width):
        across, down = 255 * x // max(1, width - 1), 255 * y // max(1, height - 1)
        yield from (across, down, 255 - across)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
