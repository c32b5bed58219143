"""
Reads the operations of a SavedModel from its bytes.

TensorFlow's classes for it come only with ``import tensorflow``, and loading a graph already runs parts of it. Source
of the field numbers: ``saved_model.proto``, ``meta_graph.proto``, ``graph.proto``, ``function.proto``, ``op_def.proto``
and ``node_def.proto`` of TensorFlow.
"""

from __future__ import annotations

import mmap
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from tendies_ops.errors import UntrustedModelError
from tendies_ops.graphs.operations import require_computing

_META_GRAPHS, _GRAPH_DEF, _NODE, _LIBRARY, _FUNCTION, _SIGNATURE, _FUNCTION_NODE, _NAME, _OP = 2, 2, 1, 2, 1, 1, 3, 1, 2
#: Other forms of a SavedModel, which TensorFlow may prefer to ``saved_model.pb``.
_OTHER_FORMS = ("saved_model.cpb", "saved_model.pbtxt")
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5


def require_computing_model(directory: Path, allowed: Iterable[str] = ()) -> None:
    """
    Refuse a SavedModel directory whose graph does more than compute; without TensorFlow, and without loading it.

    :param allowed: names of operations that a reviewed spec allows besides.
    :raises UntrustedModelError: it does, or it cannot be read.
    """
    require_computing(operations_of(directory), allowed, subject=f"The SavedModel {directory}")


def operations_of(directory: Path) -> dict[str, int]:
    """
    Count the operations in all graphs of a SavedModel and in their function libraries, by name.

    Calls of the library's own functions are left out: their bodies are counted.

    :raises UntrustedModelError: its graph cannot be read, or there may be a second one.
    """
    second = next((name for name in _OTHER_FORMS if (directory / name).exists()), None)
    if second is not None:
        raise UntrustedModelError(f"{directory} has a {second}, which cannot be checked. Keep `saved_model.pb` alone.")
    path = directory / "saved_model.pb"
    try:
        with path.open("rb") as stream:
            # Not closed by hand: an error that is on its way still holds views of it.
            return _count(memoryview(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)))
    except (OSError, ValueError) as error:
        raise UntrustedModelError(f"The graph {path} cannot be checked: {error}. Export it again.") from error


def _count(data: memoryview) -> dict[str, int]:
    counted: Counter[str] = Counter()
    functions: set[str] = set()
    for graph in _messages(data, _META_GRAPHS, _GRAPH_DEF):
        counted.update(_text(op) for op in _messages(graph, _NODE, _OP))
        for function in _messages(graph, _LIBRARY, _FUNCTION):
            functions.update(_text(name) for name in _messages(function, _SIGNATURE, _NAME))
            counted.update(_text(op) for op in _messages(function, _FUNCTION_NODE, _OP))
    return {name: count for name, count in sorted(counted.items()) if name not in functions}


def _text(value: memoryview) -> str:
    return bytes(value).decode("utf-8", "replace")


def _messages(data: memoryview, number: int, *inner: int) -> Iterator[memoryview]:
    """Yield every occurrence of a field along a path of field numbers: none is left out because a later one wins."""
    for value in _values(data, number):
        if inner:
            yield from _messages(value, *inner)
        else:
            yield value


def _values(data: memoryview, wanted: int) -> Iterator[memoryview]:
    offset = 0
    while offset < len(data):
        key, offset = _varint(data, offset)
        kind = key & 7
        if kind == _VARINT:
            _, offset = _varint(data, offset)
            continue
        if kind == _LENGTH:
            size, offset = _varint(data, offset)
        elif kind in (_FIXED64, _FIXED32):
            size = 8 if kind == _FIXED64 else 4
        else:
            raise ValueError(f"it has a field of the unknown wire type {kind}")
        if offset + size > len(data):
            raise ValueError("it is cut short")
        if key >> 3 == wanted and kind == _LENGTH:
            yield data[offset : offset + size]
        offset += size


def _varint(data: memoryview, offset: int) -> tuple[int, int]:
    value = shift = 0
    while offset < len(data) and shift <= 63:
        byte = data[offset]
        offset += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, offset
        shift += 7
    raise ValueError("it is cut short")
