"""
The nodes of a TensorFlow graph, read from its bytes.

Source of the field numbers: ``graph.proto``, ``node_def.proto``, ``attr_value.proto``, ``tensor_shape.proto``,
``tensor.proto`` and ``meta_graph.proto`` of TensorFlow.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice

from tendies_ops.graphs.fields import all_fields, messages, number, text
from tendies_ops.model_files.description import Shape, Signature, Tensor

#: TensorFlow's types in the order of their numbers, from 1. That of a variable of TensorFlow 1 is 100 more.
_DTYPE_NAMES = (
    "float32 float64 int32 uint8 int16 int8 string complex64 int64 bool int8 uint8 int32 bfloat16 int16 uint16 "
    "uint16 complex128 float16 resource variant uint32 uint64"
)
_DTYPES = _DTYPE_NAMES.split()
#: A graph with more is read in part: no image network needs more.
MOST_NODES = 100_000
_META_GRAPH, _GRAPH, _SIGNATURES, _TAGS, _NODE = 2, 2, 5, (1, 4), 1
_SHAPE_FIELD, _LIST_FIELD, _TENSOR_FIELD, _TYPE_FIELD = 7, 1, 8, 6
_READ = {b"dtype", b"DstT", b"T", b"shape", b"_output_shapes", b"value"}


@dataclass
class Node:
    """One operation of a graph."""

    name: str
    op: str
    inputs: list[str]  #: names of the nodes whose values it takes; control edges left out
    _attributes: dict[bytes, memoryview] = field(repr=False, default_factory=dict)

    @cached_property
    def dtype(self) -> str:
        """The type of its first output, if it is that of an attribute."""
        attribute = next((self._attributes[key] for key in (b"dtype", b"DstT", b"T") if key in self._attributes), None)
        return "?" if attribute is None else dtype_of(attribute, _TYPE_FIELD)

    @cached_property
    def shape(self) -> Shape | None:
        """The shape of its first output, as far as the graph has it."""
        if b"_output_shapes" in self._attributes:
            for lists in messages(self._attributes[b"_output_shapes"], _LIST_FIELD):
                return next((shape_of(one) for one in messages(lists, _SHAPE_FIELD)), None)
        if b"value" in self._attributes:
            return next((shape_of(one) for one in messages(self._attributes[b"value"], _TENSOR_FIELD, 2)), ())
        if b"shape" in self._attributes:
            # Before TensorFlow 1.0 a placeholder of any shape had an empty one.
            return next((shape_of(one) for one in messages(self._attributes[b"shape"], _SHAPE_FIELD)), None) or None
        return None

    def as_tensor(self, why: str = "", shape: Shape | None = None) -> Tensor:
        """Return its first output."""
        return Tensor(self.name, self.dtype, self.shape if shape is None else shape, why)


def dtype_of(data: memoryview, field: int) -> str:
    """Read the name of a type."""
    found = number(data, field) % 100
    return _DTYPES[found - 1] if 0 < found <= len(_DTYPES) else "?"


def shape_of(data: memoryview) -> Shape | None:
    """Read a TensorShapeProto; None: any rank."""
    if number(data, 3):
        return None
    sides = [number(side, 1) for side in messages(data, 2)]
    return tuple(None if side < 0 else side for side in sides)


def nodes_of(graph: memoryview) -> list[Node]:
    """
    Read the nodes of a GraphDef, at most :data:`MOST_NODES`.

    :raises ValueError: it is not one.
    """
    return [_node(data) for data in islice(messages(graph, _NODE), MOST_NODES)]


def _node(data: memoryview) -> Node:
    found: dict[int, list[memoryview]] = {1: [], 2: [], 3: [], 5: []}
    for field_number, value in all_fields(data):
        if field_number in found and not isinstance(value, int):
            found[field_number].append(value)
    if not found[1] or not found[2]:
        raise ValueError("it has a node without a name or an operation")
    inputs = [name.split(":")[0] for name in map(text, found[3]) if not name.startswith("^")]
    entries = [(bytes(next(messages(one, 1), b"")), next(messages(one, 2), None)) for one in found[5]]
    attributes = {key: value for key, value in entries if key in _READ and value is not None}
    return Node(text(found[1][-1]), text(found[2][-1]), inputs, attributes)


@dataclass(frozen=True)
class MetaGraph:
    """One graph of a SavedModel, or that of a ``.meta`` file."""

    graph: memoryview
    tags: tuple[str, ...]
    signatures: dict[str, Signature]
    version: str  #: of the TensorFlow that wrote it


def meta_graphs_of(saved_model: memoryview) -> Iterator[MetaGraph]:
    """Yield the graphs of a SavedModel."""
    for data in messages(saved_model, _META_GRAPH):
        yield meta_graph_of(data)


def meta_graph_of(data: memoryview) -> MetaGraph:
    """
    Read a MetaGraphDef.

    :raises ValueError: it is not one.
    """
    graph = next(messages(data, _GRAPH), None)
    if graph is None:
        raise ValueError("it has no graph")
    signatures = {}
    for entry in messages(data, _SIGNATURES):
        name = next(map(text, messages(entry, 1)), "")
        if not name.startswith("__"):
            sides = (dict(_tensors(entry, side)) for side in (1, 2))
            signatures[name] = Signature(*sides)
    version = next(map(text, messages(data, 1, 5)), "")
    return MetaGraph(graph, tuple(map(text, messages(data, *_TAGS))), signatures, version)


def _tensors(entry: memoryview, side: int) -> Iterator[tuple[str, Tensor]]:
    for item in messages(entry, 2, side):
        info = next(messages(item, 2), memoryview(b""))
        shape = next((shape_of(one) for one in messages(info, 3)), None)
        tensor = next(map(text, messages(info, 1)), "")
        yield next(map(text, messages(item, 1)), ""), Tensor(tensor, dtype_of(info, 2), shape)
