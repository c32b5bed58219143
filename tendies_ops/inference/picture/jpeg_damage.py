"""
Find JPEG files whose pixels were never written: a copy was preallocated with zeros, or a cluster was lost.

Decoders fill such parts with grey and report success, so the bytes themselves are examined. A scan may hold a long run
of zero bits only if its Huffman tables make zero bits mean "nothing changes": the code of all zeros has to be "no
difference" in the DC table and "end of block" in the AC table. Source: ITU-T T.81, annexes B.2, C and F.2.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

_ZEROS = bytes(64)
_MARKER_IN_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_START_OF_SCAN, _HUFFMAN_TABLES, _END = 0xDA, 0xC4, 0xD9
_SEQUENTIAL = frozenset({0xC0, 0xC1})
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_NO_CHANGE = 0  # a DC difference of no bits; an AC code of "end of block"


def missing_pixels(data: bytes) -> str | None:
    """
    Describe what is missing from a whole JPEG file.

    :return: a clause, such as ``2,048 zero bytes stand where its pixels should be``; None: no visible damage.
    """
    zeros_at = data.find(_ZEROS)
    if zeros_at < 0:
        return None
    try:
        ended = False
        for begin, end, may_be_zero in _scans(data):
            ended = end < len(data)
            hole = data.find(_ZEROS, begin, end)
            if hole >= 0 and not (may_be_zero and ended):
                return f"{_run_length(data, hole, end):,} zero bytes stand where its pixels should be"
    except (struct.error, IndexError):
        return None  # the decoder reports what is wrong with its headers
    return None


def _run_length(data: bytes, begin: int, end: int) -> int:
    return end - begin - len(data[begin:end].lstrip(b"\x00"))


def _scans(data: bytes) -> Iterator[tuple[int, int, bool]]:
    """Yield begin and end of each scan's bytes, and whether its tables allow for long runs of zeros."""
    at, sequential = 2, False
    tables: dict[int, int] = {}  # class and number of a Huffman table -> the symbol of its code of all zeros
    while at + 4 <= len(data):
        marker = data[at + 1]
        if data[at] != 0xFF or marker == _END:
            return
        if marker == 0xFF:
            at += 1
            continue
        if marker == 0x01 or 0xD0 <= marker <= 0xD7:
            at += 2
            continue
        (length,) = struct.unpack_from(">H", data, at + 2)
        segment = data[at + 4 : at + 2 + length]
        at += 2 + length
        if marker in _FRAMES:
            sequential = marker in _SEQUENTIAL
        elif marker == _HUFFMAN_TABLES:
            tables.update(_zero_symbols(segment))
        elif marker == _START_OF_SCAN:
            following = _MARKER_IN_SCAN.search(data, at)
            end = following.start() if following else len(data)
            yield at, end, not sequential or _allow_zeros(segment, tables)
            at = end


def _zero_symbols(segment: bytes) -> Iterator[tuple[int, int]]:
    """Yield each table of a DHT segment with its first symbol, whose code is all zeros."""
    at = 0
    while at + 17 < len(segment):
        count = sum(segment[at + 1 : at + 17])
        yield segment[at], segment[at + 17]
        at += 17 + count


def _allow_zeros(scan_header: bytes, tables: dict[int, int]) -> bool:
    """Return True unless every component of the scan has a table that gives zero bits another meaning."""
    selectors = scan_header[2 : 1 + 2 * scan_header[0] : 2]
    used = [number for selector in selectors for number in (selector >> 4, 0x10 | (selector & 0x0F))]
    return all(tables.get(number, _NO_CHANGE) == _NO_CHANGE for number in used)
