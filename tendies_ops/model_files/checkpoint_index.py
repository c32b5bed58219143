"""
The names and shapes in a checkpoint, read from its table without TensorFlow.

Both forms are a LevelDB table: the ``.index`` of a checkpoint of two or more files, and the single file of the first
form. Source: LevelDB's ``table_format.md``, Snappy's ``format_description.txt``, and ``tensor_bundle.proto`` and
``saved_tensor_slice.proto`` of TensorFlow.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tendies_ops.graphs.fields import mapped, messages, text, varint
from tendies_ops.model_files.description import Shape
from tendies_ops.model_files.graph import shape_of

_MAGIC = (0xDB4775248B80FB57).to_bytes(8, "little")
_FOOTER, _TRAILER = 48, 5
_LARGEST_BLOCK = 64 * 1024 * 1024
OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"


def is_table(file: Path) -> bool:
    """Return True for a file that ends as such a table does."""
    size = file.stat().st_size
    with file.open("rb") as stream:
        stream.seek(max(0, size - len(_MAGIC)))
        return size >= _FOOTER and stream.read() == _MAGIC


def variables_of(file: Path) -> dict[str, Shape]:
    """
    Read the name and shape of each variable from an ``.index`` file or a checkpoint of one file.

    :raises ValueError: it is cut short or no such table.
    :raises OSError: it cannot be read.
    """
    found: dict[str, Shape] = {}
    for key, value in _entries(mapped(file)):
        if not key:
            found.update(_of_first_form(value))
            if found:  # the rest is weights
                break
        elif b"\0" not in key:  # else a part of a variable, which is listed as a whole
            found[key.decode("utf-8", "replace")] = next((shape_of(one) or () for one in messages(value, 2)), ())
    return dict(sorted(found.items()))


def _of_first_form(value: memoryview) -> Iterator[tuple[str, Shape]]:
    for tensor in messages(value, 1, 1):
        name = next(map(text, messages(tensor, 1)), "")
        yield name, next((shape_of(one) or () for one in messages(tensor, 2)), ())


def _entries(data: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    if len(data) < _FOOTER or data[-len(_MAGIC) :] != _MAGIC:
        raise ValueError("it does not end as a table of a checkpoint does")
    footer = data[-_FOOTER:]
    _, offset = varint(footer, 0)
    _, offset = varint(footer, offset)
    for _, handle in _in_block(_block(data, footer[offset:])):
        yield from _in_block(_block(data, handle))


def _block(data: memoryview, handle: memoryview) -> memoryview:
    start, offset = varint(handle, 0)
    size, _ = varint(handle, offset)
    if start + size + _TRAILER > len(data):
        raise ValueError("it is cut short")
    block = data[start : start + size]
    return memoryview(_uncompressed(block)) if data[start + size] == 1 else block


def _in_block(block: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Yield keys and values; each key begins with the number of bytes that it shares with the one before."""
    restarts = int.from_bytes(block[-4:], "little")
    end, offset, key = len(block) - 4 * (restarts + 1), 0, b""
    if end < 0:
        raise ValueError("it is cut short")
    while offset < end:
        shared, offset = varint(block, offset)
        own, offset = varint(block, offset)
        size, offset = varint(block, offset)
        key = key[:shared] + bytes(block[offset : offset + own])
        offset += own
        yield key, block[offset : offset + size]
        offset += size


def _uncompressed(block: memoryview) -> bytes:
    """Undo Snappy."""
    length, offset = varint(block, 0)
    if length > _LARGEST_BLOCK:
        raise ValueError("it has a block of more than 64 MiB")
    out = bytearray()
    while offset < len(block) and len(out) < length:
        tag = block[offset]
        offset += 1
        if tag & 3 == 0:
            size, extra = (tag >> 2) + 1, 0
            if size > 60:
                extra = size - 60
                size = int.from_bytes(block[offset : offset + extra], "little") + 1
            out += block[offset + extra : offset + extra + size]
            offset += extra + size
            continue
        width = (0, 1, 2, 4)[tag & 3]
        back = int.from_bytes(block[offset : offset + width], "little")
        size = (tag >> 2) + 1
        if width == 1:
            back, size = back | (tag >> 5) << 8, ((tag >> 2) & 7) + 4
        offset += width
        if not 0 < back <= len(out):
            raise ValueError("it has a block that is damaged")
        for _ in range(size):
            out.append(out[-back])
    return bytes(out)
