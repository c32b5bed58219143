"""What TensorFlow knows of the shapes in a network, without running it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tendies_ops.export.optimize.graph import NetworkGraph, short

if TYPE_CHECKING:
    import tensorflow as tf


def tensor_shapes(graph: NetworkGraph) -> dict[str, tf.TensorShape]:
    """Infer the shape of every tensor; what cannot be known has no rank."""
    import tensorflow as tf

    with tf.Graph().as_default() as inferring:
        tf.graph_util.import_graph_def(graph.finish().graph_def, name="")
    return {
        short(tensor.name): tensor.shape for operation in inferring.get_operations() for tensor in operation.outputs
    }
