"""
Reads the operations of a SavedModel from its bytes.

TensorFlow's classes for it come only with ``import tensorflow``, and loading a graph already runs parts of it. Source
of the field numbers: ``saved_model.proto``, ``meta_graph.proto``, ``graph.proto``, ``function.proto``, ``op_def.proto``
and ``node_def.proto`` of TensorFlow.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from tendies_ops.errors import UntrustedModelError
from tendies_ops.graphs.fields import mapped, messages, text
from tendies_ops.graphs.operations import require_computing
from tendies_ops.graphs.saver import saver_functions

_META_GRAPHS, _GRAPH_DEF, _NODE, _LIBRARY, _FUNCTION, _SIGNATURE, _FUNCTION_NODE, _NAME, _OP = 2, 2, 1, 2, 1, 1, 3, 1, 2
#: Other forms of a SavedModel, which TensorFlow may prefer to ``saved_model.pb``.
_OTHER_FORMS = ("saved_model.cpb", "saved_model.pbtxt")


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

    Calls of the library's own functions are left out: their bodies are counted. So is what the model's saver does to
    its own checkpoint, if nothing else can lead to it.

    :raises UntrustedModelError: its graph cannot be read, or there may be a second one.
    """
    second = next((name for name in _OTHER_FORMS if (directory / name).exists()), None)
    if second is not None:
        raise UntrustedModelError(f"{directory} has a {second}, which cannot be checked. Keep `saved_model.pb` alone.")
    path = directory / "saved_model.pb"
    try:
        return _count(mapped(path))
    except (OSError, ValueError) as error:
        raise UntrustedModelError(f"The graph {path} cannot be checked: {error}. Export it again.") from error


def _count(data: memoryview) -> dict[str, int]:
    counted: Counter[str] = Counter()
    functions: set[str] = set()
    for meta_graph in messages(data, _META_GRAPHS):
        saver = saver_functions(meta_graph)
        for graph in messages(meta_graph, _GRAPH_DEF):
            counted.update(text(op) for op in messages(graph, _NODE, _OP))
            for function in messages(graph, _LIBRARY, _FUNCTION):
                names = [text(name) for name in messages(function, _SIGNATURE, _NAME)]
                functions.update(names)
                own = saver.allowed_in(names[0]) if len(names) == 1 else frozenset()
                operations = (text(op) for op in messages(function, _FUNCTION_NODE, _OP))
                counted.update(operation for operation in operations if operation not in own)
    return {name: count for name, count in sorted(counted.items()) if name not in functions}
