"""A frozen network as a graph that can be edited: nodes by name, who uses what, and what is constant."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tendies_ops.errors import TendiesError
from tendies_ops.export.network import FrozenNetwork

if TYPE_CHECKING:
    import tensorflow as tf


class NotApplicableError(TendiesError):
    """The network has nothing to rewrite, or is built in a way that cannot be: it remains unchanged."""


FLOAT32 = 1  #: DT_FLOAT of tensorflow/core/framework/types.proto
_PASSES_ON = frozenset({"Identity", "StopGradient", "Snapshot", "PreventGradient", "CheckNumerics"})


class NetworkGraph:
    """
    The nodes of a network, each under its name. A tensor is ``node`` or ``node:1``.

    Nodes that nothing uses any more are left out by :meth:`finish`.
    """

    def __init__(self, network: FrozenNetwork) -> None:
        self.nodes: dict[str, Any] = {node.name: _copy(node) for node in network.graph_def.node}
        self.inputs: Mapping[str, str] = network.inputs
        self.outputs: dict[str, str] = {name: short(tensor) for name, tensor in network.outputs.items()}
        self.one_picture = network.one_picture
        self._versions = network.graph_def.versions
        self._library = network.graph_def.library

    def of_kind(self, *operations: str) -> list[Any]:
        """Return the nodes of these operations, in the order of the graph."""
        return [node for node in self.nodes.values() if node.op in operations]

    def producer(self, tensor: str) -> Any:
        """Return the node that makes a tensor."""
        return self.nodes[node_of(tensor)]

    def data_inputs(self, node: Any) -> list[str]:
        """Return what a node computes with."""
        return [short(name) for name in node.input if not name.startswith("^")]

    def users(self) -> dict[str, list[tuple[Any, int]]]:
        """For each tensor, the nodes that are needed and compute with it, and at which input; outputs do not count."""
        found: dict[str, list[tuple[Any, int]]] = {}
        needed = set(self._needed())
        for node in (node for name, node in self.nodes.items() if name in needed):
            for position, name in enumerate(node.input):
                if not name.startswith("^"):
                    found.setdefault(short(name), []).append((node, position))
        return found

    def in_order(self) -> Iterator[str]:
        """Name the nodes that are needed, each after what it computes with."""
        done: set[str] = set()
        for root in sorted(self._needed()):
            waiting = [root]
            while waiting:
                name = waiting[-1]
                before = [node_of(tensor) for tensor in self.nodes[name].input if node_of(tensor) not in done]
                if name in done or not before:
                    waiting.pop()
                    if name not in done:
                        done.add(name)
                        yield name
                else:
                    waiting.extend(before)

    def shapes(self) -> dict[str, tuple[int | None, ...]]:
        """Map each tensor whose rank is known to its shape; a dimension that is not fixed is None."""
        import tensorflow as tf

        with tf.Graph().as_default() as graph:
            tf.graph_util.import_graph_def(self.finish().graph_def, name="")
        tensors = (tensor for operation in graph.get_operations() for tensor in operation.outputs)
        return {short(one.name): tuple(one.shape.as_list()) for one in tensors if one.shape.rank is not None}

    def part(self, result: str, beginning: str) -> tf.compat.v1.GraphDef:
        """Return the nodes that compute one tensor from another, which is a placeholder in it."""
        import tensorflow as tf

        part = tf.compat.v1.GraphDef(versions=self._versions)
        waiting, seen = [result], {beginning}
        part.node.add(name=beginning, op="Placeholder").attr["dtype"].type = FLOAT32
        while waiting:
            name = node_of(waiting.pop())
            if name not in seen:
                seen.add(name)
                part.node.add().CopyFrom(self.nodes[name])
                waiting.extend(self.nodes[name].input)
        return part

    def is_output(self, tensor: str) -> bool:
        """Return whether the network answers this tensor."""
        return short(tensor) in self.outputs.values()

    def constant(self, tensor: str) -> NDArray[Any] | None:
        """Return the value of a tensor that is a constant, else None."""
        import tensorflow as tf

        node = self.producer(tensor)
        while node.op in _PASSES_ON:
            node = self.producer(node.input[0])
        return tf.make_ndarray(node.attr["value"].tensor) if node.op == "Const" else None

    def add(self, operation: str, name: str, inputs: Sequence[str], **attributes: Any) -> str:
        """
        Add a node.

        :param name: made unique.
        :param attributes: a DType, an ``AttrValue`` of another node, or a plain value.
        :return: the name that it got, which is its first tensor as well.
        """
        import tensorflow as tf

        node = tf.compat.v1.NodeDef(name=self._unique(name), op=operation, input=list(inputs))
        for key, value in attributes.items():
            node.attr[key].CopyFrom(_attribute_of(value))
        self.nodes[node.name] = node
        return str(node.name)

    def add_constant(self, name: str, value: NDArray[Any]) -> str:
        """Add a constant with the array's dtype."""
        import tensorflow as tf

        dtype = tf.as_dtype(value.dtype)
        added = self.add("Const", name, [], dtype=dtype)
        self.nodes[added].attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value, dtype=dtype))
        return added

    def replace(self, old: str, new: str, *, but: frozenset[str] = frozenset()) -> None:
        """
        Let everything that uses tensor ``old`` use ``new``, the network's outputs too.

        :param but: names of nodes that keep the old one.
        """
        old, new = short(old), short(new)
        for node in self.nodes.values():
            for position, name in enumerate(node.input):
                if short(name) == old and not name.startswith("^") and node.name not in but:
                    node.input[position] = new
        for name, tensor in self.outputs.items():
            if tensor == old:
                self.outputs[name] = new

    def bypass_copies(self) -> int:
        """Take out nodes that hand a tensor through (Identity, StopGradient). Returns how many."""
        count = 0
        for node in self.of_kind(*_PASSES_ON):
            if len(node.input) == 1 and f"{node.name}:0" not in self.inputs.values():
                self.replace(node.name, node.input[0])
                count += 1
        return count

    def finish(self) -> FrozenNetwork:
        """Return what the outputs depend on, and the inputs."""
        import tensorflow as tf

        needed = set(self._needed())
        graph_def = tf.compat.v1.GraphDef(versions=self._versions)
        graph_def.node.extend(node for name, node in self.nodes.items() if name in needed)
        if any(_calls_function(node) for node in graph_def.node):
            graph_def.library.CopyFrom(self._library)
        outputs = {name: tensor if ":" in tensor else f"{tensor}:0" for name, tensor in self.outputs.items()}
        return FrozenNetwork(graph_def, self.inputs, outputs, self.one_picture)

    def _needed(self) -> Iterator[str]:
        waiting = [node_of(tensor) for tensor in (*self.outputs.values(), *self.inputs.values())]
        seen: set[str] = set()
        while waiting:
            name = waiting.pop()
            if name not in seen:
                seen.add(name)
                yield name
                waiting.extend(node_of(tensor) for tensor in self.nodes[name].input)

    def _unique(self, name: str) -> str:
        number = 0
        unique = name
        while unique in self.nodes:
            number += 1
            unique = f"{name}_{number}"
        return unique


def _attribute_of(value: Any) -> Any:
    import tensorflow as tf

    if isinstance(value, tf.DType):
        return tf.compat.v1.AttrValue(type=value.as_datatype_enum)
    kind = {bool: "b", float: "f", bytes: "s"}.get(type(value))
    return tf.compat.v1.AttrValue(**{kind: value}) if kind else value


def _calls_function(node: Any) -> bool:
    return any(value.HasField("func") or value.list.func for value in node.attr.values())


def _copy(node: Any) -> Any:
    """Copy without the wish to share a device with another node, which may be gone soon, and without noted shapes."""
    copied = copy.deepcopy(node)
    for key in ("_class", "_output_shapes"):
        copied.attr.pop(key, None)
    return copied


def attribute(node: Any, key: str) -> Any:
    """Read an attribute. Asking a node's own map for what it lacks would put an empty one there, which is invalid."""
    import tensorflow as tf

    return node.attr[key] if key in node.attr else tf.compat.v1.AttrValue()


def dtype_number(node: Any, key: str = "T") -> int:
    """Read the number of a dtype, such as :data:`FLOAT32`; 0: it has none."""
    number: int = attribute(node, key).type
    return number


def short(tensor: str) -> str:
    """``node:0`` as ``node``; other tensors as they are."""
    return tensor[:-2] if tensor.endswith(":0") else tensor


def node_of(tensor: str) -> str:
    """Return the node's name in ``node:1`` or ``^node``."""
    return tensor.removeprefix("^").split(":")[0]


def with_dtype(array: NDArray[Any], dtype: tf.DType) -> NDArray[Any]:
    """Return the array in TensorFlow's dtype; NumPy knows bfloat16 only through it."""
    converted: NDArray[Any] = np.asarray(array).astype(dtype.as_numpy_dtype)
    return converted
