"""
``reflect_pad``: a reflected border is laid around a picture by joining slices, which are copied whole.

TensorFlow's own MirrorPad computes for every number where it comes from, also in the middle where nothing is mirrored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tendies_ops.export.network import FrozenNetwork
from tendies_ops.export.optimize.fold import require_plain
from tendies_ops.export.optimize.graph import NetworkGraph, dtype_number
from tendies_ops.export.optimize.rewrite import NotApplicableError
from tendies_ops.export.optimize.shapes import tensor_shapes

if TYPE_CHECKING:
    import tensorflow as tf

#: Wider borders would need more slices than the copying saves.
_WIDEST = 4


def reflect_pad(network: FrozenNetwork) -> FrozenNetwork:
    """
    Replace MirrorPad on height and width.

    :raises NotApplicableError: there is none.
    """
    graph = NetworkGraph(network)
    require_plain(graph)
    shapes = tensor_shapes(graph)
    count = 0
    for node in graph.of_kind("MirrorPad"):
        borders = graph.constant(node.input[1])
        if borders is None or shapes[node.name].rank != 4 or not _is_rewritable(node, borders):
            continue
        result = node.input[0]
        for axis in (1, 2):
            result = _with_border(graph, node, result, axis, borders[axis])
        graph.replace(node.name, result)
        count += 1
    if not count:
        raise NotApplicableError("it has no reflected borders of a few pixels")
    return graph.finish()


def _is_rewritable(node: Any, borders: np.ndarray[Any, Any]) -> bool:
    only_sides = not borders[0].any() and not borders[3].any()
    return bool(node.attr["mode"].s == b"REFLECT" and only_sides and borders.max() <= _WIDEST)


def _with_border(graph: NetworkGraph, node: Any, tensor: str, axis: int, border: np.ndarray[Any, Any]) -> str:
    """Lay lines 1, 2, ... before the first one, and those before the last one behind it: the edge is not repeated."""
    before = [_line(graph, node, tensor, axis, number) for number in range(int(border[0]), 0, -1)]
    after = [_line(graph, node, tensor, axis, -1 - number) for number in range(1, int(border[1]) + 1)]
    if not before and not after:
        return tensor
    import tensorflow as tf

    parts = [*before, tensor, *after]
    where = graph.add_constant(f"{node.name}/axis_{axis}", np.int32(axis))
    joined = graph.add("ConcatV2", f"{node.name}/joined", [*parts, where], T=_dtype(node), Tidx=tf.int32)
    graph.nodes[joined].attr["N"].i = len(parts)
    return joined


def _line(graph: NetworkGraph, node: Any, tensor: str, axis: int, number: int) -> str:
    """Cut one row or column out; negative numbers count from the end."""
    import tensorflow as tf

    begin, end = np.zeros(axis + 1, np.int32), np.zeros(axis + 1, np.int32)
    begin[axis], end[axis] = number, number + 1
    indices = [
        graph.add_constant(f"{node.name}/{name}", value)
        for name, value in (("begin", begin), ("end", end), ("step", np.ones_like(begin)))
    ]
    line = graph.add("StridedSlice", f"{node.name}/line", [tensor, *indices], T=_dtype(node), Index=tf.int32)
    # All of the axes before; `end` is never 0 here, because the last line of all is not mirrored.
    graph.nodes[line].attr["begin_mask"].i = graph.nodes[line].attr["end_mask"].i = (1 << axis) - 1
    # One index, not a range: where a picture has no such line, a range would be empty, and MirrorPad refuses it.
    graph.nodes[line].attr["shrink_axis_mask"].i = 1 << axis
    where = graph.add_constant(f"{node.name}/axis", np.int32(axis))
    return graph.add("ExpandDims", f"{node.name}/row", [line, where], T=_dtype(node), Tdim=tf.int32)


def _dtype(node: Any) -> tf.DType:
    import tensorflow as tf

    return tf.as_dtype(dtype_number(node))
