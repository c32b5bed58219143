"""
Directories of a TIFF file: which ones hold pictures, and whether the file is a camera's raw data.

Sources: TIFF 6.0, sections 2 and 8; TIFF Technical Note 1 (SubIFDs); Adobe DNG 1.7, chapter 4.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

_MOST_DIRECTORIES = 1000  #: of one file; a chain may lead back into itself
_MOST_ENTRIES = 4096  #: of one directory
_NEW_SUBFILE_TYPE, _PHOTOMETRIC, _MAX_SAMPLE, _SUB_DIRECTORIES, _DNG_VERSION = 254, 262, 281, 330, 50706
_REDUCED = 1  # bit of NewSubfileType
_RAW_PHOTOMETRICS = frozenset({32803, 34892})  # colour filter array, linear raw
#: Field type -> struct code of one value; other types are of no interest here.
_CODES = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
_WANTED = frozenset({_NEW_SUBFILE_TYPE, _PHOTOMETRIC, _MAX_SAMPLE, _SUB_DIRECTORIES, _DNG_VERSION})


@dataclass
class TiffPages:
    """
    Contents of a TIFF file.

    :param pages: positions of the full-size pictures in the chain of directories, counted from 0.
    :param is_raw: the file holds sensor values that have to be developed.
    :param max_samples: position -> the largest sample that the directory states.
    """

    pages: list[int] = field(default_factory=list)
    is_raw: bool = False
    max_samples: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class _Layout:
    order: str
    count: str  #: struct code of a directory's number of entries
    offset: str  #: struct code of an offset and of a field's number of values
    entry_bytes: int


def read_pages(data: bytes) -> TiffPages:
    """
    Read the directories of a whole file. A damaged part ends the reading; decoding then reports what is wrong.

    :return: no pages if no directory can be read, or if all are of reduced size.
    """
    found = TiffPages()
    try:
        layout, first = _layout_of(data)
        for position, directory in enumerate(_chain(data, layout, first)):
            found.is_raw = found.is_raw or _is_raw(directory) or _has_raw_below(data, layout, directory)
            if not directory.get(_NEW_SUBFILE_TYPE, [0])[0] & _REDUCED:
                found.pages.append(position)
            if _MAX_SAMPLE in directory:
                found.max_samples[position] = max(directory[_MAX_SAMPLE])
    except (struct.error, IndexError, ValueError):
        pass
    return found


def _layout_of(data: bytes) -> tuple[_Layout, int]:
    order = "<" if data[:2] == b"II" else ">"
    (version,) = struct.unpack_from(order + "H", data, 2)
    if version == 43:  # BigTIFF
        return _Layout(order, "Q", "Q", 20), struct.unpack_from(order + "Q", data, 8)[0]
    return _Layout(order, "H", "I", 12), struct.unpack_from(order + "I", data, 4)[0]


def _chain(data: bytes, layout: _Layout, at: int) -> Iterator[dict[int, list[int]]]:
    seen: set[int] = set()
    while at and at not in seen and len(seen) < _MOST_DIRECTORIES:
        seen.add(at)
        directory, at = _directory(data, layout, at)
        yield directory


def _directory(data: bytes, layout: _Layout, at: int) -> tuple[dict[int, list[int]], int]:
    """Return the wanted fields of the directory at an offset, and the offset of the next one."""
    (entries,) = struct.unpack_from(layout.order + layout.count, data, at)
    if entries > _MOST_ENTRIES:
        raise ValueError(entries)
    first = at + struct.calcsize("=" + layout.count)
    fields = {}
    for entry in range(first, first + entries * layout.entry_bytes, layout.entry_bytes):
        (tag,) = struct.unpack_from(layout.order + "H", data, entry)
        if tag in _WANTED and (values := _values(data, layout, entry)):
            fields[tag] = values
    (following,) = struct.unpack_from(layout.order + layout.offset, data, first + entries * layout.entry_bytes)
    return fields, following


def _values(data: bytes, layout: _Layout, entry: int) -> list[int]:
    kind, count = struct.unpack_from(f"{layout.order}H{layout.offset}", data, entry + 2)
    if kind not in _CODES or count > _MOST_DIRECTORIES:
        return []
    codes = f"{layout.order}{count}{_CODES[kind]}"
    at = entry + 4 + struct.calcsize("=" + layout.offset)
    if struct.calcsize(codes) > struct.calcsize("=" + layout.offset):
        (at,) = struct.unpack_from(layout.order + layout.offset, data, at)
    return list(struct.unpack_from(codes, data, at))


def _is_raw(directory: dict[int, list[int]]) -> bool:
    return _DNG_VERSION in directory or directory.get(_PHOTOMETRIC, [0])[0] in _RAW_PHOTOMETRICS


def _has_raw_below(data: bytes, layout: _Layout, directory: dict[int, list[int]]) -> bool:
    offsets = directory.get(_SUB_DIRECTORIES, [])[:_MOST_DIRECTORIES]
    return any(_is_raw(_directory(data, layout, at)[0]) for at in offsets)
