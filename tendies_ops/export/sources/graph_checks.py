"""
Checks of a foreign graph's operations, before TensorFlow sees the graph.

Importing a graph already runs parts of it: to infer shapes, TensorFlow computes what depends on constants alone, and
reading a file of a constant name is such an operation.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from tendies_ops.errors import UntrustedModelError
from tendies_ops.graphs import refused_operations, require_computing

#: What restoring variables consists of. Nothing here makes a text, so a file's name can only be the one that is fed.
_RESTORING = re.compile(
    r"Assign|AssignVariableOp|Const|Identity|IdentityN|NoOp|Placeholder|PlaceholderWithDefault|ReadVariableOp|RestoreV2"
    r"|(Stateful)?PartitionedCall|VarHandleOp|Variable|VariableV2|HashTableV2|MutableHashTableV2|LookupTableImportV2"
)
_DT_STRING = 7


@dataclass(frozen=True)
class Permission:
    """The permissions of a graph besides computing."""

    operations: tuple[str, ...] = ()  #: that the spec allows
    restoring: frozenset[str] = frozenset()  #: nodes that restore the variables, and were checked


class GraphIndex:
    """Nodes and functions of a GraphDef by name."""

    def __init__(self, graph_def: Any) -> None:
        self.nodes: dict[str, Any] = {node.name: node for node in graph_def.node}
        self.functions: dict[str, Any] = {f.signature.name: f for f in graph_def.library.function}
        self._gradients = {g.function_name: g.gradient_func for g in graph_def.library.gradient}

    def below(self, names: Iterable[str], *, fed: Iterable[str] = ()) -> dict[str, Any]:
        """Return the nodes that ``names`` depend on, and themselves, but for those that only lead to ``fed`` nodes."""
        ends = set(fed)
        found: dict[str, Any] = {}
        waiting = deque(names)
        while waiting:
            node = self.nodes.get(waiting.popleft())
            if node is None or node.name in found:
                continue
            found[node.name] = node
            if node.name not in ends:
                waiting.extend(node_of(name) for name in node.input)
        return found

    def operations(self, nodes: Iterable[Any]) -> set[str]:
        """Return the operations of ``nodes``, and of the functions that they call, at any depth."""
        return {node.op for node in self.with_functions(nodes) if node.op not in self.functions}

    def with_functions(self, nodes: Iterable[Any]) -> Iterator[Any]:
        """Yield ``nodes`` and those of the functions that they call, at any depth."""
        own = list(nodes)
        yield from own
        for name in self.called_by(own):
            yield from self.functions[name].node_def

    def called_by(self, nodes: Iterable[Any]) -> set[str]:
        """Return the names of the functions that ``nodes`` call, at any depth."""
        found: set[str] = set()
        waiting = deque(nodes)
        while waiting:
            for name in set(self._named_in(waiting.popleft())) - found:
                found.add(name)
                waiting.extend(self.functions[name].node_def)
        return found

    def _named_in(self, node: Any) -> Iterator[str]:
        named = [node.op, *(f.name for value in node.attr.values() for f in (value.func, *value.list.func))]
        for name in (*named, *(self._gradients[name] for name in named if name in self._gradients)):
            if name in self.functions:
                yield name


def node_of(tensor: str) -> str:
    """Return the node of a tensor's or control edge's name: ``^a`` and ``a:1`` are of ``a``."""
    return tensor.removeprefix("^").partition(":")[0]


def require_computing_graph(graph_def: Any, allowed: Iterable[str], *, subject: str) -> None:
    """
    Refuse a graph with operations that do more than compute, in its nodes or in a function that they call.

    :raises UntrustedModelError: it has some that are not ``allowed``.
    """
    require_computing(GraphIndex(graph_def).operations(graph_def.node), allowed, subject=subject)


def without_refused(
    graph_def: Any, permission: Permission, *, outputs: Iterable[str], fed: Iterable[str], subject: str
) -> dict[str, str]:
    """
    Remove from a graph, in place, every node that TensorFlow must not see, and what depends on one.

    A graph of training has readers, savers and summaries next to the network, which no output depends on.

    :param outputs: names of tensors that must be left; may be empty when they are not known yet.
    :param fed: names of tensors that are given at every run: what they depend on never runs.
    :return: the operations that were removed, each with the reason.
    :raises UntrustedModelError: an output depends on one of them.
    """
    index, allowed = GraphIndex(graph_def), permission.operations
    fed_nodes = {node_of(name) for name in fed} & index.nodes.keys()
    needed = index.below(map(node_of, outputs), fed=fed_nodes).items()
    require_computing(
        index.operations(node for name, node in needed if name not in fed_nodes), allowed, subject=subject
    )
    refused_nodes = {
        name
        for name, node in index.nodes.items()
        if name not in permission.restoring and refused_operations(index.operations([node]), allowed)
    }
    refused = refused_operations(index.operations(index.nodes[name] for name in refused_nodes), allowed)
    for name in fed_nodes & _with_consumers(index, refused_nodes):
        _become_placeholder(index.nodes[name])
    gone = _with_consumers(index, refused_nodes - fed_nodes, ends=fed_nodes)
    left = [node for node in graph_def.node if node.name not in gone]
    del graph_def.node[:]
    graph_def.node.extend(left)
    keep_called_functions(graph_def)
    return refused


def keep_called_functions(graph_def: Any) -> None:
    """Remove, in place, every function that no node calls: a SavedModel has those that restore and save it as well."""
    called = GraphIndex(graph_def).called_by(graph_def.node)
    functions = [function for function in graph_def.library.function if function.signature.name in called]
    gradients = [gradient for gradient in graph_def.library.gradient if gradient.function_name in called]
    graph_def.library.Clear()
    graph_def.library.function.extend(functions)
    graph_def.library.gradient.extend(gradients)


def _with_consumers(index: GraphIndex, names: Iterable[str], *, ends: Iterable[str] = ()) -> set[str]:
    """Return ``names`` and all nodes that depend on one of them, but not through ``ends``."""
    consumers: dict[str, list[str]] = {}
    for node in index.nodes.values():
        for tensor in node.input:
            consumers.setdefault(node_of(tensor), []).append(node.name)
    found = set(names)
    waiting = deque(found)
    closed = set(ends)
    while waiting:
        fresh = set(consumers.get(waiting.popleft(), ())) - found - closed
        found |= fresh
        waiting.extend(fresh)
    return found


def _become_placeholder(node: Any) -> None:
    """Keep the first output of a node that is fed, and nothing of how it was computed."""
    from tensorflow.python.framework import op_def_registry

    definition = op_def_registry.get(node.op)
    dtype = _type_of_first_output(node, definition) if definition is not None and definition.output_arg else 0
    if not dtype:
        raise UntrustedModelError(
            f"The input `{node.name}` is computed by {node.op}, whose type is not known. Name a Placeholder instead."
        )
    del node.input[:]
    node.op = "Placeholder"
    node.attr.clear()
    node.attr["dtype"].type = dtype


def _type_of_first_output(node: Any, definition: Any) -> int:
    first = definition.output_arg[0]
    if first.type_list_attr:
        types = node.attr[first.type_list_attr].list.type
        return int(types[0]) if types else 0
    return int(first.type or node.attr[first.type_attr].type)


def require_plain_restore(index: GraphIndex, operation: str, filename: str, *, subject: str) -> frozenset[str]:
    """
    Check that the operation of a SavedModel that restores variables restores variables, from the file that is fed.

    :param filename: name of the tensor that the file's name is fed to.
    :return: names of the nodes that it runs.
    :raises UntrustedModelError: it would do something else.
    """
    nodes = index.below([operation], fed=[node_of(filename)])
    others = sorted(name for name in index.operations(nodes.values()) if not _RESTORING.fullmatch(name))
    if others:
        raise UntrustedModelError(
            f"{subject} restores its variables with operations that do more than that: {', '.join(others)}. "
            "Nothing of it was run. Save it again with TensorFlow's own savers."
        )
    for node in index.with_functions(node for name, node in nodes.items() if name != node_of(filename)):
        _require_no_file_name(node, index, subject)
    return frozenset(nodes)


def _require_no_file_name(node: Any, index: GraphIndex, subject: str) -> None:
    """Every constant text in what restores must be a list of names of variables, never the name of a file."""
    is_text = node.op == "Const" and node.attr["dtype"].type == _DT_STRING
    if (is_text and not node.attr["value"].tensor.tensor_shape.dim) or node.op == "PlaceholderWithDefault":
        raise UntrustedModelError(
            f"{subject} names a file of its own, in `{node.name}`, to restore variables from. Nothing of it was run. "
            "Save it again with TensorFlow's own savers."
        )
