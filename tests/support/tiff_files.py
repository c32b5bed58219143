"""TIFF files that no library at hand writes: previews, raw sensor data below a directory, either byte order."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

SHORT, LONG = 3, 4
_CODES = {SHORT: "H", LONG: "I"}


@dataclass
class TiffPage:
    """One directory with one strip of samples in the file's byte order."""

    width: int
    height: int
    samples: bytes
    bits: int = 8
    photometric: int = 1
    reduced: bool = False
    tags: Mapping[int, int] = field(default_factory=dict)
    below: Sequence[TiffPage] = ()


def tiff_file(pages: Sequence[TiffPage], order: str = "<") -> bytes:
    """Return a whole file with ``pages`` as its chain of directories."""
    data = bytearray((b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, 0))
    link = 4
    for page in pages:
        at, following = _append(data, page, order)
        struct.pack_into(order + "I", data, link, at)
        link = following
    return bytes(data)


def _append(data: bytearray, page: TiffPage, order: str) -> tuple[int, int]:
    """Append a page; return where its directory is, and where the offset of the next one goes."""
    below = [_append(data, one, order)[0] for one in page.below]
    strip = len(data)
    data += page.samples + bytes(len(page.samples) % 2)
    channels = len(page.samples) * 8 // (page.width * page.height * page.bits)
    fields = {
        254: (LONG, [int(page.reduced)]),
        256: (LONG, [page.width]),
        257: (LONG, [page.height]),
        258: (SHORT, [page.bits] * channels),
        259: (SHORT, [1]),
        262: (SHORT, [page.photometric]),
        273: (LONG, [strip]),
        277: (SHORT, [channels]),
        278: (LONG, [page.height]),
        279: (LONG, [len(page.samples)]),
        **({330: (LONG, below)} if below else {}),
        **{tag: (LONG, [value]) for tag, value in page.tags.items()},
    }
    entries = b"".join(_entry(data, tag, *fields[tag], order) for tag in sorted(fields))
    at = len(data)
    data += struct.pack(order + "H", len(fields)) + entries + bytes(4)
    return at, len(data) - 4


def _entry(data: bytearray, tag: int, kind: int, values: Sequence[int], order: str) -> bytes:
    packed = struct.pack(f"{order}{len(values)}{_CODES[kind]}", *values)
    if len(packed) > 4:
        place = struct.pack(order + "I", len(data))
        data += packed + bytes(len(packed) % 2)
    else:
        place = packed.ljust(4, b"\0")
    return struct.pack(order + "HHI", tag, kind, len(values)) + place
