"""
``fold``: what does not depend on the picture is computed once, at export.

Functions are inlined, copies taken out, constant parts computed. TensorFlow does some of this whenever it loads a
graph; here it is done before the other rewrites look for what they know, and every load is spared it.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tendies_ops.export.network import FrozenNetwork
from tendies_ops.export.optimize.network_graph import NetworkGraph, NotApplicableError, node_of, short

if TYPE_CHECKING:
    import tensorflow as tf

#: A constant may grow by this much over what it is computed from: a tile laid over a whole picture would not be small.
_GROWTH_BYTES = 1 << 20
_CALLS = frozenset({"PartitionedCall", "StatefulPartitionedCall"})
_CONTROL_FLOW = frozenset(
    {"While", "StatelessWhile", "If", "StatelessIf", "Case", "StatelessCase", "Enter", "Exit", "Switch", "Merge",
     "NextIteration", "LoopCond", *_CALLS}
)  # fmt: skip
_SIDE_EFFECTS = frozenset({"Assert", "Print", "PrintV2", "CheckNumerics", "CheckNumericsV2"})
_STATEFUL = frozenset({"VarHandleOp", "VariableV2", "ReadVariableOp", "HashTableV2"})


def fold(network: FrozenNetwork) -> FrozenNetwork:
    """
    Fold constants.

    :raises NotApplicableError: there is control flow or state, which no rewrite here understands.
    """
    graph = NetworkGraph(_inlined(network))
    require_plain(graph)
    _drop_control_inputs(graph)
    graph.bypass_copies()
    _compute_constants(graph)
    return graph.finish()


def require_plain(graph: NetworkGraph) -> None:
    """
    Refuse what a rewrite could change the meaning of.

    :raises NotApplicableError: names the operation.
    """
    for node in graph.nodes.values():
        if node.op in _CONTROL_FLOW:
            raise NotApplicableError(f"the graph has control flow ({node.op} `{node.name}`)")
        if node.op in _STATEFUL:
            raise NotApplicableError(f"the graph has state that is not frozen ({node.op} `{node.name}`)")


def _drop_control_inputs(graph: NetworkGraph) -> None:
    """Forget orders of execution that functions left behind. Where something checks or prints, they have a meaning."""
    if graph.of_kind(*_SIDE_EFFECTS):
        return
    for node in graph.nodes.values():
        data = graph.data_inputs(node)
        del node.input[:]
        node.input.extend(data)


def _inlined(network: FrozenNetwork) -> FrozenNetwork:
    """Put the bodies of called functions in the place of the calls."""
    if not any(node.op in _CALLS for node in network.graph_def.node):
        return network
    import tensorflow as tf
    from tensorflow.core.protobuf import config_pb2
    from tensorflow.python.grappler import tf_optimizer  # what TFLite's and TensorRT's converters inline with

    ends = [node_of(name) for name in (*network.inputs.values(), *network.outputs.values())]
    with tf.Graph().as_default() as graph:
        tf.graph_util.import_graph_def(_without_colocation(network.graph_def), name="")
        meta_graph = tf.compat.v1.train.export_meta_graph(graph=graph)
    meta_graph.collection_def["train_op"].node_list.value.extend(ends)  # what must stay
    config = config_pb2.ConfigProto()
    options = config.graph_options.rewrite_options
    options.min_graph_nodes = -1
    options.optimizers.append("function")
    graph_def = tf_optimizer.OptimizeGraph(config, meta_graph)
    return FrozenNetwork(graph_def, network.inputs, network.outputs, network.one_picture)


def _without_colocation(graph_def: tf.compat.v1.GraphDef) -> tf.compat.v1.GraphDef:
    """Forget which nodes were to share a device: their names are others inside a caller."""
    free = copy.deepcopy(graph_def)
    for node in (*free.node, *(node for function in free.library.function for node in function.node_def)):
        node.attr.pop("_class", None)
    return free


def _compute_constants(graph: NetworkGraph) -> None:
    """Compute every tensor that depends on constants alone and is used by something that does not."""
    constant = _constant_nodes(graph)
    users = graph.users()
    edges = [
        short(tensor)
        for name in constant
        if graph.nodes[name].op != "Const"
        for tensor in _tensors_of(name, users)
        if graph.is_output(tensor) or any(user.name not in constant for user, _ in users.get(tensor, ()))
    ]
    if not edges:
        return
    limit_bytes = graph.finish().graph_def.ByteSize() // 10 + _GROWTH_BYTES
    for tensor, value in zip(edges, _evaluate(graph, edges), strict=True):
        if value.nbytes <= limit_bytes and value.dtype != object:
            graph.replace(tensor, graph.add_constant(f"{node_of(tensor)}/folded", value))


def _tensors_of(name: str, users: dict[str, list[tuple[Any, int]]]) -> Iterator[str]:
    yield from (tensor for tensor in users if node_of(tensor) == name)


def _constant_nodes(graph: NetworkGraph) -> dict[str, None]:
    """Name the nodes that depend on nothing but constants. Control inputs count: a guard may depend on the picture."""
    fed = {node_of(tensor) for tensor in graph.inputs.values()}
    known: dict[str, bool] = {}
    for root in graph.nodes:
        waiting = [root]
        while waiting:
            name = waiting[-1]
            if name in known:
                waiting.pop()
                continue
            before = [node_of(tensor) for tensor in graph.nodes[name].input]
            unknown = [tensor for tensor in before if tensor not in known]
            if unknown and name not in fed:
                waiting.extend(unknown)
                continue
            node = graph.nodes[name]
            known[name] = (
                name not in fed
                and (node.op == "Const" or bool(before))
                and all(known[tensor] for tensor in before)
                and not _draws_lots(node.op)
            )
    return {name: None for name, is_constant in known.items() if is_constant}  # in an order: a set's differs each run


def _draws_lots(operation: str) -> bool:
    return (
        "Random" in operation
        or "TruncatedNormal" in operation
        or operation in {"Multinomial", "Placeholder", "NoOp", "Assert"}
    )


def _evaluate(graph: NetworkGraph, tensors: list[str]) -> list[NDArray[Any]]:
    import tensorflow as tf

    with tf.Graph().as_default() as computing:
        tf.graph_util.import_graph_def(graph.finish().graph_def, name="")
    names = [name if ":" in name else f"{name}:0" for name in tensors]
    with tf.compat.v1.Session(graph=computing) as session:
        return [np.asarray(value) for value in session.run(names)]
