"""
``int8_weights``: filters stored as 8-bit integers with one scale for each channel that comes out; computed in floats.

The file is a quarter of float32's. TensorFlow computes the floats when it loads the graph, so neither speed nor memory
change. Where the arithmetic is half precision already, so are the floats that come out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tendies_ops.export.network import FrozenNetwork
from tendies_ops.export.optimize.fold import require_plain
from tendies_ops.export.optimize.graph import NetworkGraph, attribute
from tendies_ops.export.optimize.rewrite import NotApplicableError

#: Convolution -> the axes of its filters that are not summed within one channel of the result.
_CHANNEL_AXES: Mapping[str, tuple[int, ...]] = {
    "Conv2D": (3,),  # [height, width, in, out]
    "Conv2DBackpropInput": (2,),  # [height, width, out, in]
    "DepthwiseConv2dNative": (2, 3),  # [height, width, in, multiplier]
    "MatMul": (1,),
}
#: Below this the scales and the nodes would be larger than what is saved.
_LEAST_WEIGHTS = 1024


def int8_weights(network: FrozenNetwork) -> FrozenNetwork:
    """
    Store filters in 8 bits.

    :raises NotApplicableError: none is large enough.
    """
    graph = NetworkGraph(network)
    require_plain(graph)
    done: dict[str, str] = {}
    for node in graph.of_kind(*_CHANNEL_AXES):
        filters = graph.constant(node.input[1])
        if filters is None or filters.size < _LEAST_WEIGHTS or attribute(node, "transpose_b").b:
            continue
        name = node.input[1]
        if name not in done:
            done[name] = _dequantized(graph, f"{node.name}/int8", filters, _CHANNEL_AXES[node.op])
        node.input[1] = done[name]
    if not done:
        raise NotApplicableError(f"it has no filters of {_LEAST_WEIGHTS} or more weights")
    return graph.finish()


def _dequantized(graph: NetworkGraph, name: str, filters: NDArray[Any], axes: tuple[int, ...]) -> str:
    import tensorflow as tf

    dtype = tf.as_dtype(filters.dtype)
    integers, scales = quantize(filters.astype(np.float32), axes)
    floats = graph.add("Cast", f"{name}/cast", [graph.add_constant(name, integers)], SrcT=tf.int8, DstT=tf.float32)
    product = graph.add("Mul", f"{name}/filters", [floats, graph.add_constant(f"{name}/scales", scales)], T=tf.float32)
    return product if dtype == tf.float32 else graph.add("Cast", product, [product], SrcT=tf.float32, DstT=dtype)


def quantize(filters: NDArray[np.float32], axes: tuple[int, ...]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """
    Round to 255 steps between the largest weight and its negative, for each channel.

    :param axes: those of the channels.
    :return: integers, and scales that they are multiplied with; ``filters`` is their product to half a step.
    """
    others = tuple(axis for axis in range(filters.ndim) if axis not in axes)
    largest = np.abs(filters).max(axis=others, keepdims=True)
    scales = np.where(largest > 0, largest / 127.0, 1.0).astype(np.float32)
    return np.rint(filters / scales).astype(np.int8), scales
