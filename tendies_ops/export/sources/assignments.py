"""Leaving out what a network writes to its variables while it computes: moving averages, counters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import tensorflow as tf

_ASSIGNMENTS = frozenset(
    {
        "AssignVariableOp",
        "AssignAddVariableOp",
        "AssignSubVariableOp",
        "ResourceScatterUpdate",
        "ResourceScatterAdd",
        "ResourceScatterSub",
        "StatefulUniform",
        "RngReadAndSkip",
        "RngSkip",
    }
)


def without_assignments(function: Any) -> Any:
    """
    Trace a concrete function again without the assignments that only later calls would notice.

    TensorFlow's converter replaces variables by constants, and a constant cannot be assigned to.

    :param function: a ``ConcreteFunction`` whose first inputs are its arguments.
    :return: the same one if it assigns nothing, else one with the results as a flat list.
    """
    import tensorflow as tf

    graph_def = function.graph.as_graph_def()
    if not remove_edges_to_assignments(graph_def):
        return function
    results = [tensor.name for tensor in function.outputs]
    kept = tf.compat.v1.graph_util.extract_sub_graph(graph_def, [name.split(":")[0] for name in results])
    names = {node.name for node in kept.node}
    captures = [(outer, inner) for outer, inner in function.graph.captures if inner.op.name in names]
    arguments = function.inputs[: len(function.inputs) - len(function.graph.captures)]

    def call(*values: tf.Tensor) -> list[tf.Tensor]:
        graph: Any = tf.compat.v1.get_default_graph()
        for variable in function.graph.variables:
            graph.watch_variable(variable)
        given = {inner.name: value for inner, value in zip(arguments, values, strict=True) if inner.op.name in names}
        given |= {inner.name: graph.capture(outer) for outer, inner in captures}
        return list(tf.graph_util.import_graph_def(kept, input_map=given, return_elements=results, name=""))

    specs = [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in arguments]
    return tf.function(call, autograph=False).get_concrete_function(*specs)


def remove_edges_to_assignments(graph_def: tf.compat.v1.GraphDef) -> bool:
    """
    Let no node wait for an assignment, in place.

    :return: there was one.
    """
    assigning = {f"^{node.name}" for node in graph_def.node if node.op in _ASSIGNMENTS}
    for node in graph_def.node if assigning else ():
        kept = [name for name in node.input if name not in assigning]
        if len(kept) < len(node.input):
            del node.input[:]
            node.input.extend(kept)
    return bool(assigning)
