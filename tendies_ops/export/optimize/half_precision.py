"""
``bfloat16`` and ``float16``: convolutions in half precision, everything that needs more in float32.

Each convolution gets its filters as half-precision constants and its input through a Cast; its sums are kept in float32
by the kernels. Casts then move past operations that only move numbers or add a bias, so that convolution, bias and
activation can be fused, and pairs that undo each other vanish. Statistics of normalisation stay float32.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tendies_ops.export.network import FrozenNetwork
from tendies_ops.export.optimize.fold import fold
from tendies_ops.export.optimize.network_graph import (
    FLOAT32,
    NetworkGraph,
    NotApplicableError,
    dtype_number,
    short,
    with_dtype,
)
from tendies_ops.export.optimize.norm_forms import as_batch_norms

if TYPE_CHECKING:
    import tensorflow as tf

#: Convolution -> the input that holds the picture; the filters are always the second.
_CONVOLUTIONS: Mapping[str, int] = {"Conv2D": 0, "DepthwiseConv2dNative": 0, "Conv2DBackpropInput": 2}
#: Their result in half precision is the half-precision result: they move, drop or compare numbers.
_MOVERS = frozenset(
    {"Relu", "Relu6", "MirrorPad", "Pad", "Reshape", "Squeeze", "SpaceToBatchND", "BatchToSpaceND", "FusedBatchNormV3"}
)


def bfloat16(network: FrozenNetwork) -> FrozenNetwork:
    """
    Compute convolutions in bfloat16: float32's range with 8 bits of precision.

    Instance normalisation is rewritten for the kernel that takes it, so such a network is given one picture at a time.
    """
    import tensorflow as tf

    graph = NetworkGraph(fold(network))
    graph.one_picture = bool(as_batch_norms(graph)) or network.one_picture
    return _in_half_precision(graph, tf.bfloat16)


def float16(network: FrozenNetwork) -> FrozenNetwork:
    """Compute convolutions in float16: 11 bits of precision, and nothing above 65504."""
    import tensorflow as tf

    return _in_half_precision(NetworkGraph(fold(network)), tf.float16)


def _in_half_precision(graph: NetworkGraph, dtype: tf.DType) -> FrozenNetwork:
    chosen = [node for node in graph.of_kind(*_CONVOLUTIONS) if _is_rewritable(graph, node)]
    if not chosen:
        raise NotApplicableError("it has no float32 convolution with constant filters")
    for node in chosen:
        _convert(graph, node, dtype)
    while _sink_one(graph, dtype) or _lift_one(graph, dtype) or _join_one(graph, dtype) or _cancel_one(graph, dtype):
        pass
    _read_shapes_before_casts(graph)
    return graph.finish()


def _is_rewritable(graph: NetworkGraph, node: Any) -> bool:
    return dtype_number(node) == FLOAT32 and graph.constant(node.input[1]) is not None


def _convert(graph: NetworkGraph, node: Any, dtype: tf.DType) -> None:
    filters = graph.constant(node.input[1])
    if filters is None:  # never: it was chosen for having them
        return
    picture = _CONVOLUTIONS[node.op]
    inputs = list(node.input)
    inputs[picture] = _cast(graph, f"{node.name}/{dtype.name}_in", inputs[picture], dtype)
    inputs[1] = graph.add_constant(f"{node.name}/{dtype.name}_filters", with_dtype(filters, dtype))
    _in_dtype(graph, node, inputs, dtype)
    del graph.nodes[node.name]


def _in_dtype(graph: NetworkGraph, node: Any, inputs: list[str], dtype: tf.DType) -> str:
    """Put a copy of a node that computes in ``dtype`` in its place, with a Cast back to float32 behind it."""
    import tensorflow as tf

    attributes = {key: value for key, value in node.attr.items() if key != "T"}
    half = graph.add(node.op, f"{node.name}/{dtype.name}", inputs, **attributes, T=dtype)
    back = _cast(graph, f"{node.name}/float32", half, tf.float32)
    graph.replace(node.name, back)
    return back


def _cast(graph: NetworkGraph, name: str, tensor: str, dtype: tf.DType) -> str:
    import tensorflow as tf

    for cast in graph.of_kind("Cast"):
        if short(cast.input[0]) == short(tensor) and dtype_number(cast, "DstT") == dtype.as_datatype_enum:
            return str(cast.name)
    source = tf.float32 if dtype != tf.float32 else tf.as_dtype(dtype_number(graph.producer(tensor)))
    return graph.add("Cast", name, [tensor], SrcT=source, DstT=dtype)


def _casts(graph: NetworkGraph, *, to_half: bool) -> list[Any]:
    return [node for node in graph.of_kind("Cast") if (dtype_number(node, "DstT") != FLOAT32) == to_half]


def _sink_one(graph: NetworkGraph, dtype: tf.DType) -> bool:
    """Move one Cast to float32 past the bias, activation or padding that alone uses it."""
    users = graph.users()
    for cast in _casts(graph, to_half=False):
        using = users.get(cast.name, [])
        if len(using) != 1 or graph.is_output(cast.name) or using[0][1] != 0:
            continue
        node = using[0][0]
        inputs = [cast.input[0], *graph.data_inputs(node)[1:]]
        if node.op == "BiasAdd":
            bias = graph.constant(inputs[1])
            if bias is None:
                continue
            inputs[1] = graph.add_constant(f"{node.name}/{dtype.name}_bias", with_dtype(bias, dtype))
        elif node.op not in _MOVERS:
            continue
        _in_dtype(graph, node, inputs, dtype)
        del graph.nodes[node.name], graph.nodes[cast.name]
        return True
    return False


def _lift_one(graph: NetworkGraph, dtype: tf.DType) -> bool:
    """Move one Cast to half precision before the activation or padding that it alone uses: half the bytes to move."""
    users = graph.users()
    for cast in _casts(graph, to_half=True):
        node = graph.producer(cast.input[0])
        if node.op not in _MOVERS or len(users[short(cast.input[0])]) != 1 or graph.is_output(node.name):
            continue
        inputs = graph.data_inputs(node)
        earlier = _cast(graph, cast.name, inputs[0], dtype)
        attributes = {key: value for key, value in node.attr.items() if key != "T"}
        half = graph.add(node.op, f"{node.name}/{dtype.name}", [earlier, *inputs[1:]], **attributes, T=dtype)
        graph.replace(cast.name, half)
        del graph.nodes[node.name], graph.nodes[cast.name]
        return True
    return False


def _join_one(graph: NetworkGraph, dtype: tf.DType) -> bool:
    """Concatenate or add before the Cast to float32 where every part comes out of one."""
    for node in graph.of_kind("ConcatV2", "AddV2", "Add"):
        inputs = graph.data_inputs(node)
        parts = inputs[:-1] if node.op == "ConcatV2" else inputs
        producers = [graph.producer(part) for part in parts]
        if all(part.op == "Cast" and dtype_number(part, "DstT") == FLOAT32 for part in producers):
            _in_dtype(graph, node, [*(part.input[0] for part in producers), *inputs[len(parts) :]], dtype)
            del graph.nodes[node.name]
            return True
    return False


def _read_shapes_before_casts(graph: NetworkGraph) -> None:
    """Read shapes before a Cast, which changes none: a Cast for a Shape alone would be computed for nothing."""
    for node in graph.of_kind("Shape"):
        before = graph.producer(node.input[0])
        if before.op == "Cast":
            node.input[0] = before.input[0]
            node.attr["T"].type = dtype_number(before, "SrcT")


def _cancel_one(graph: NetworkGraph, dtype: tf.DType) -> bool:
    """Take out one Cast to half precision that follows a Cast from it."""
    for cast in _casts(graph, to_half=True):
        before = graph.producer(cast.input[0])
        if before.op == "Cast" and dtype_number(before, "SrcT") == dtype.as_datatype_enum:
            graph.replace(cast.name, before.input[0])
            del graph.nodes[cast.name]
            return True
    return False
