"""
``affine``: a chain of multiplications and additions with small operands becomes one of each, or none.

Instance normalisation is written ``scale * (x - mean) * rsqrt(variance + epsilon) + offset``: four walks over all
numbers of the picture. As ``x * a + b``, with ``a`` and ``b`` computed on one number a channel, it is two. Batch
normalisation with fixed statistics after a convolution vanishes in the convolution's weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tendies_ops.export.network import FrozenNetwork
from tendies_ops.export.optimize.fold import require_plain
from tendies_ops.export.optimize.graph import FLOAT32, NetworkGraph, attribute, dtype_number, short
from tendies_ops.export.optimize.rewrite import NotApplicableError
from tendies_ops.export.optimize.shapes import tensor_shapes

if TYPE_CHECKING:
    import tensorflow as tf

_STEPS = frozenset({"Add", "AddV2", "BiasAdd", "Sub", "Mul", "RealDiv"})


@dataclass(frozen=True)
class _Step:
    """One operation between a large tensor and a small one."""

    node: Any
    large: str
    small: str
    small_is_first: bool


def affine(network: FrozenNetwork) -> FrozenNetwork:
    """
    Shorten every such chain.

    :raises NotApplicableError: there is none.
    """
    graph = NetworkGraph(network)
    require_plain(graph)
    _spell_out_batch_norms(graph)
    shapes = tensor_shapes(graph)
    steps = _find_steps(graph, shapes)
    users = graph.users()
    count = 0
    for step in steps.values():
        if not _goes_on(graph, step, steps, users):
            count += _shorten(graph, _chain(graph, step, steps, users), users, shapes)
    if not count:
        raise NotApplicableError("it has no chains of multiplications and additions")
    return graph.finish()


def _find_steps(graph: NetworkGraph, shapes: Mapping[str, tf.TensorShape]) -> dict[str, _Step]:
    steps = {}
    for node in graph.of_kind(*_STEPS):
        first, second = graph.data_inputs(node)
        sizes = [_is_small(shapes.get(first)), _is_small(shapes.get(second))]
        if dtype_number(node) != FLOAT32 or sizes[0] == sizes[1] or _is_nchw(node):
            continue
        if sizes[0] and node.op in ("RealDiv", "BiasAdd"):  # a quotient by the picture is not affine
            continue
        large, small = (second, first) if sizes[0] else (first, second)
        if shapes[large].rank == 4:
            steps[node.name] = _Step(node, large, small, sizes[0])
    return steps


def _is_nchw(node: Any) -> bool:
    return bool(node.op == "BiasAdd" and attribute(node, "data_format").s == b"NCHW")


def _is_small(shape: tf.TensorShape | None) -> bool:
    """One number, one a channel, or one a picture and channel."""
    if shape is None or shape.rank is None or shape.rank > 4:
        return False
    return all(side == 1 for side in shape.as_list()[1:3]) if shape.rank == 4 else shape.rank <= 1


def _goes_on(graph: NetworkGraph, step: _Step, steps: Mapping[str, _Step], users: Mapping[str, Any]) -> bool:
    """Whether a step's result is only the large tensor of another step."""
    using = users.get(step.node.name, [])
    if len(using) != 1 or graph.is_output(step.node.name):
        return False
    follower = steps.get(using[0][0].name)
    return follower is not None and follower.large == step.node.name


def _chain(graph: NetworkGraph, last: _Step, steps: Mapping[str, _Step], users: Mapping[str, Any]) -> list[_Step]:
    """All steps that lead to ``last``, first one first."""
    chain = [last]
    while (before := steps.get(chain[0].large)) is not None and _goes_on(graph, before, steps, users):
        chain.insert(0, before)
    return chain


def _shorten(
    graph: NetworkGraph, chain: list[_Step], users: Mapping[str, Any], shapes: Mapping[str, tf.TensorShape]
) -> bool:
    source, last = chain[0].large, chain[-1].node.name
    builder = _Small(graph, last)
    for step in chain:
        builder.take(step)
    factor, offset = builder.factor, builder.offset
    filters = _fold_into_filters(graph, source, factor, users) if factor is not None else False
    if not filters and len(chain) < 3:
        return False
    result = source
    if factor is not None and not filters:
        result = graph.add("Mul", f"{last}/scaled", [result, factor], T=_float32())
    if offset is not None:
        operation = "BiasAdd" if _is_one_a_channel(graph, offset, shapes[source]) else "AddV2"
        result = graph.add(operation, f"{last}/shifted", [result, offset], T=_float32())
    graph.replace(last, result)
    return True


class _Small:
    """Collects factor and offset of a chain: as NumPy where they are constant, else as small nodes."""

    def __init__(self, graph: NetworkGraph, name: str) -> None:
        self._graph = graph
        self._name = f"{name}/small"
        self.factor: str | None = None
        self.offset: str | None = None

    def take(self, step: _Step) -> None:
        operation, small = step.node.op, step.small
        if operation in ("Mul", "RealDiv"):
            self.factor = self._join(operation, self.factor, small, first=operation == "RealDiv")
            if self.offset is not None:
                self.offset = self._compute(operation, self.offset, small)
        elif operation == "Sub" and step.small_is_first:
            minus_one = self._graph.add_constant(self._name, np.float32(-1.0))
            self.factor = self._join("Mul", self.factor, minus_one)
            self.offset = small if self.offset is None else self._compute("Sub", small, self.offset)
        elif operation == "Sub":
            self.offset = self._join("Sub", self.offset, small, first=True, neutral=0.0)
        else:
            self.offset = self._join("AddV2", self.offset, small)

    def _join(self, operation: str, old: str | None, new: str, *, first: bool = False, neutral: float = 1.0) -> str:
        """``old operation new``; where there is no old, ``new`` itself or, for ``first``, ``neutral operation new``."""
        if old is None:
            if not first:
                return new
            old = self._graph.add_constant(self._name, np.float32(neutral))
        return self._compute(operation, old, new)

    def _compute(self, operation: str, left: str, right: str) -> str:
        values = (self._graph.constant(left), self._graph.constant(right))
        if values[0] is not None and values[1] is not None:
            return self._graph.add_constant(self._name, _NUMPY[operation](*values).astype(np.float32))
        return self._graph.add(operation, self._name, [left, right], T=_float32())


_NUMPY: Mapping[str, Callable[..., Any]] = {
    "Mul": np.multiply, "RealDiv": np.divide, "Sub": np.subtract, "AddV2": np.add,
}  # fmt: skip


def _fold_into_filters(graph: NetworkGraph, source: str, factor: str, users: Mapping[str, Any]) -> bool:
    """Multiply a constant factor a channel into the filters of the convolution that makes ``source``."""
    convolution, value = graph.producer(source), graph.constant(factor)
    if convolution.op != "Conv2D" or value is None or len(users.get(short(source), ())) != 1:
        return False
    filters = graph.constant(convolution.input[1])
    if filters is None or graph.is_output(source) or attribute(convolution, "data_format").s == b"NCHW":
        return False
    convolution.input[1] = graph.add_constant(f"{convolution.name}/filters", filters * value.reshape(-1))
    return True


def _is_one_a_channel(graph: NetworkGraph, tensor: str, picture: tf.TensorShape) -> bool:
    """Whether BiasAdd takes it, which broadcasts neither one number to all channels nor one channel to all numbers."""
    value = graph.constant(tensor)
    return value is not None and value.ndim == 1 and value.size == picture[-1]


def _spell_out_batch_norms(graph: NetworkGraph) -> None:
    """Write batch normalisation with fixed statistics as a product and a sum."""
    for node in graph.of_kind("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"):
        values = [graph.constant(name) for name in node.input[1:5]]
        if attribute(node, "is_training").b or any(value is None for value in values) or dtype_number(node) != FLOAT32:
            continue
        if attribute(node, "data_format").s == b"NCHW":
            continue
        scale, offset, mean, variance = (np.asarray(value, np.float64) for value in values)
        factor = scale / np.sqrt(variance + attribute(node, "epsilon").f)
        shift = (offset - mean * factor).astype(np.float32)
        product = graph.add(
            "Mul", f"{node.name}/scaled",
            [node.input[0], graph.add_constant(f"{node.name}/factor", factor.astype(np.float32))], T=_float32(),
        )  # fmt: skip
        total = graph.add(
            "AddV2", f"{node.name}/shifted", [product, graph.add_constant(f"{node.name}/shift", shift)], T=_float32()
        )
        graph.replace(node.name, total)


def _float32() -> tf.DType:
    import tensorflow as tf

    return tf.float32
