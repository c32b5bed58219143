"""Write instance normalisation in the forms that TensorFlow computes with one kernel."""

from __future__ import annotations

import numpy as np

from tendies_ops.export.network import FrozenNetwork
from tendies_ops.export.optimize.fold import fold
from tendies_ops.export.optimize.instance_norm import InstanceNorm, find_instance_norms
from tendies_ops.export.optimize.network_graph import NetworkGraph, NotApplicableError


def fuse_instance_norms(network: FrozenNetwork) -> tuple[FrozenNetwork, int]:
    """
    Write every instance normalisation in the form that TensorFlow fuses with the activation behind it.

    The results differ in the last bits of float32 only.

    :return: the network and their number; unchanged if there is nothing to rewrite or it cannot be rewritten.
    """
    try:
        graph = NetworkGraph(fold(network))
    except NotApplicableError:
        return network, 0
    norms = find_instance_norms(graph)
    for norm in norms:
        _as_products(graph, norm)
    return (graph.finish() if norms else network), len(norms)


def as_batch_norms(graph: NetworkGraph) -> int:
    """
    Write every instance normalisation as batch normalisation in training mode, which computes in bfloat16 as well.

    Of one picture the statistics of the batch are its own; of several they are not.

    :return: how many there are.
    """
    norms = find_instance_norms(graph)
    for norm in norms:
        _as_batch_norm(graph, norm)
    return len(norms)


def _as_products(graph: NetworkGraph, norm: InstanceNorm) -> None:
    """``x * factor + (offset - mean * factor)``: what grappler's remapper takes for ``_MklFusedInstanceNorm``."""
    import tensorflow as tf

    def add(operation: str, name: str, *inputs: str, **more: object) -> str:
        return graph.add(operation, f"{norm.result}/{name}", inputs, T=tf.float32, **more)

    def constant(name: str, value: object, dtype: type = np.float32) -> str:
        return graph.add_constant(f"{norm.result}/{name}", np.asarray(value, dtype))

    reduced = {"Tidx": tf.int32, "keep_dims": True}
    axes = constant("axes", [1, 2], np.int32)
    mean = add("Mean", "mean", norm.picture, axes, **reduced)
    squares = add("SquaredDifference", "squares", norm.picture, mean)
    variance = add("Mean", "variance", squares, axes, **reduced)
    deviation = add("Rsqrt", "rsqrt", add("AddV2", "steadied", variance, constant("epsilon", norm.epsilon)))
    factor = add("Mul", "factor", deviation, constant("scale", norm.scale))
    shift = add("Sub", "shift", constant("offset", norm.offset), add("Mul", "centre", mean, factor))
    graph.replace(norm.result, add("AddV2", "normalised", add("Mul", "scaled", norm.picture, factor), shift))


def _as_batch_norm(graph: NetworkGraph, norm: InstanceNorm) -> None:
    import tensorflow as tf

    none = graph.add_constant(f"{norm.result}/none", np.zeros([0], np.float32))
    vectors = [
        graph.add_constant(f"{norm.result}/{name}", value)
        for name, value in (("scale", norm.scale), ("offset", norm.offset))
    ]
    normalised = graph.add(
        "FusedBatchNormV3",
        f"{norm.result}/normalised",
        [norm.picture, *vectors, none, none],
        T=tf.float32,
        U=tf.float32,
        epsilon=norm.epsilon,
        exponential_avg_factor=1.0,
        is_training=True,
        data_format=b"NHWC",
    )
    graph.replace(norm.result, normalised)
