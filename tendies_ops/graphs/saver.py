"""
Functions of a SavedModel that nothing but its saver runs: they write and read the variables of the model itself.

Every SavedModel with variables has them. Loading runs the one that restores; nothing runs the one that saves unless a
signature leads to it. Source of the field numbers: ``meta_graph.proto``, ``saver.proto``, ``graph.proto``,
``function.proto``, ``node_def.proto`` and ``attr_value.proto`` of TensorFlow.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tendies_ops.graphs.fields import messages, text

#: Operations that a saver's functions may have besides computing.
RESTORING = frozenset({"RestoreV2"})
SAVING = frozenset({"SaveV2", "MergeV2Checkpoints", "ShardedFilename"}) | RESTORING

_GRAPH_DEF, _SAVER_DEF, _COLLECTIONS, _SIGNATURES = 2, 3, 4, 5
_NODE, _LIBRARY = 1, 2
_FUNCTION, _GRADIENT = 1, 2
_FUNCTION_SIGNATURE, _FUNCTION_NODE, _FUNCTION_NAME = 1, 3, 1
_NODE_NAME, _NODE_OP, _NODE_INPUT, _NODE_ATTRIBUTES = 1, 2, 3, 5
_SAVE_TENSOR, _RESTORE_OP = 2, 3
_MAP_VALUE, _ATTRIBUTE_FUNCTION, _ATTRIBUTE_LIST, _LIST_FUNCTIONS = 2, 10, 1, 9
_SIGNATURE_INPUTS, _SIGNATURE_OUTPUTS, _TENSOR_NAME = 1, 2, 1
_GRADIENT_FUNCTIONS = (1, 2)


@dataclass(frozen=True)
class SaverFunctions:
    """Names of the functions that only the saver runs."""

    saving: frozenset[str] = frozenset()
    restoring: frozenset[str] = frozenset()

    def allowed_in(self, function: str) -> frozenset[str]:
        """Return the operations on checkpoints that a function may have."""
        if function in self.restoring:
            return RESTORING
        return SAVING if function in self.saving else frozenset()


def saver_functions(meta_graph: memoryview) -> SaverFunctions:
    """
    Find the functions that only the saver of a graph runs.

    :return: none if there is no saver, or if anything else in the graph can lead to what it runs.
    """
    savers = list(messages(meta_graph, _SAVER_DEF))
    nodes = list(messages(meta_graph, _GRAPH_DEF, _NODE))
    if len(savers) != 1 or len(list(messages(meta_graph, _GRAPH_DEF))) != 1:
        return SaverFunctions()
    save, restore = (_node_of(next(map(text, messages(savers[0], field)), "")) for field in (_SAVE_TENSOR, _RESTORE_OP))
    if not save or not restore or save == restore or _is_used(meta_graph, nodes, (save, restore)):
        return SaverFunctions()
    bodies = _calls_of_functions(meta_graph)
    roots: dict[str, set[str]] = {save: set(), restore: set(), "": _gradients(meta_graph)}
    for node in nodes:
        name = next(map(text, messages(node, _NODE_NAME)), "")
        roots[name if name in (save, restore) else ""] |= _called_by(node, bodies)
    others = _reached(roots[""], bodies)
    restoring = _reached(roots[restore], bodies) - others
    return SaverFunctions(_reached(roots[save], bodies) - others - restoring, restoring)


def _is_used(meta_graph: memoryview, nodes: Iterable[memoryview], saver: tuple[str, str]) -> bool:
    """Return True if a node, a signature or a collection leads to one of the saver's nodes."""
    inputs = {_node_of(text(name)) for node in nodes for name in messages(node, _NODE_INPUT)}
    tensors = {
        _node_of(text(name))
        for side in (_SIGNATURE_INPUTS, _SIGNATURE_OUTPUTS)
        for name in messages(meta_graph, _SIGNATURES, _MAP_VALUE, side, _MAP_VALUE, _TENSOR_NAME)
    }
    collections = b"".join(bytes(entry) for entry in messages(meta_graph, _COLLECTIONS))
    return any(name in inputs or name in tensors or name.encode() in collections for name in saver)


def _calls_of_functions(meta_graph: memoryview) -> dict[str, set[str]]:
    functions = list(messages(meta_graph, _GRAPH_DEF, _LIBRARY, _FUNCTION))
    names = [next(map(text, messages(one, _FUNCTION_SIGNATURE, _FUNCTION_NAME)), "") for one in functions]
    bodies: dict[str, set[str]] = {name: set() for name in names}
    for name, function in zip(names, functions, strict=True):
        for node in messages(function, _FUNCTION_NODE):
            bodies[name] |= _called_by(node, bodies)
    return bodies


def _called_by(node: memoryview, bodies: Mapping[str, object]) -> set[str]:
    attributes = list(messages(node, _NODE_ATTRIBUTES, _MAP_VALUE))
    called = {text(op) for op in messages(node, _NODE_OP)}
    for attribute in attributes:
        called |= {text(name) for name in messages(attribute, _ATTRIBUTE_FUNCTION, 1)}
        called |= {text(name) for name in messages(attribute, _ATTRIBUTE_LIST, _LIST_FUNCTIONS, 1)}
    return called & bodies.keys()


def _gradients(meta_graph: memoryview) -> set[str]:
    entries = list(messages(meta_graph, _GRAPH_DEF, _LIBRARY, _GRADIENT))
    return {text(name) for entry in entries for field in _GRADIENT_FUNCTIONS for name in messages(entry, field)}


def _reached(roots: Iterable[str], bodies: Mapping[str, set[str]]) -> frozenset[str]:
    found: set[str] = set()
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        if name in bodies and name not in found:
            found.add(name)
            waiting.extend(bodies[name])
    return frozenset(found)


def _node_of(tensor: str) -> str:
    return tensor.removeprefix("^").partition(":")[0]
