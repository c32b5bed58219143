"""SavedModel files of given operations, made byte by byte (``saved_model.proto``, ``graph.proto``)."""

from __future__ import annotations

from tests.support.protos import field


def node(operation: str) -> bytes:
    return field(1, b"name") + field(2, operation.encode())


def function(name: str, *operations: str) -> bytes:
    return field(1, field(1, name.encode())) + field(3, *map(node, operations))


def graph_of(*operations: str, library: bytes = b"") -> bytes:
    """Return the bytes of a SavedModel of these operations, without anything that connects them."""
    graph = field(1, *map(node, operations)) + (field(2, library) if library else b"")
    return b"\x08\x01" + field(2, field(2, graph))
