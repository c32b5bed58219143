"""
Find instance normalisation in a graph by what its nodes compute, not by what they are called.

A picture is normalised by its own statistics: ``scale * (x - mean) / sqrt(variance + epsilon) + offset``, with mean and
variance over the height and width of each channel (Ulyanov et al., "Instance Normalization", 2016). Frameworks spell
this in a dozen ways. So the nodes that depend on one tensor and on constants alone are run on random pictures, and what
comes out is compared with that formula.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tendies_ops.export.optimize.network_graph import NetworkGraph

Array = NDArray[Any]
#: What a normalisation may be made of.
_ARITHMETIC = frozenset(
    {"Add", "AddV2", "AddN", "BiasAdd", "Sub", "Mul", "RealDiv", "DivNoNan", "Neg", "Square", "Pow", "Sqrt", "Rsqrt",
     "SquaredDifference", "Reciprocal", "Inv", "Maximum", "Mean", "Sum", "Cast", "Shape", "StridedSlice", "Pack",
     "Prod", "Reshape", "Squeeze", "ExpandDims", "FusedBatchNormV3", "FloorDiv", "Fill", "BroadcastTo", "Tile",
     "EnsureShape"}
)  # fmt: skip
_STATISTICS = frozenset({"Mean", "Sum", "FusedBatchNormV3"})
_FREE_HEIGHT, _FREE_WIDTH = 6, 5  #: of random pictures where the network takes any size
_TOLERANCE = 2e-4  #: of the largest result: float32 sums in another order
_MAX_TRIES = 4  #: results tried behind one tensor, the last first


@dataclass(frozen=True)
class InstanceNorm:
    """
    One normalisation.

    :param picture: the tensor that is normalised, float32 ``[N, H, W, C]``.
    :param result: the tensor that holds the result, of the same shape.
    :param scale: float32 ``[C]``.
    :param offset: float32 ``[C]``.
    :param shape: of the picture; None where it is not fixed.
    """

    picture: str
    result: str
    scale: Array
    offset: Array
    epsilon: float
    shape: tuple[int | None, ...]


def find_instance_norms(graph: NetworkGraph) -> list[InstanceNorm]:
    """
    Find every instance normalisation, in the order of the graph.

    :param graph: folded: copies are bypassed and what is constant is a constant.
    """
    shapes = graph.shapes()
    return [
        norm
        for picture, region in _regions(graph).items()
        if any(graph.nodes[name].op in _STATISTICS for name in region)
        and (norm := _norm_in(graph, picture, region, shapes)) is not None
    ]


def _regions(graph: NetworkGraph) -> dict[str, list[str]]:
    """For each tensor, the arithmetic that depends on it and on constants alone, in the order of the graph."""
    origins: dict[str, str | None] = {}
    regions: dict[str, list[str]] = {}
    for name in graph.in_order():
        node = graph.nodes[name]
        before = {origins[graph.producer(tensor).name] for tensor in graph.data_inputs(node)} - {None}
        if node.op == "Const":
            origins[name] = None
        elif node.op in _ARITHMETIC and len(before) == 1:
            origins[name] = origin = before.pop()
            regions.setdefault(str(origin), []).append(name)
        else:
            origins[name] = name
    return regions


def _norm_in(
    graph: NetworkGraph, picture: str, region: Sequence[str], shapes: dict[str, tuple[int | None, ...]]
) -> InstanceNorm | None:
    shape = shapes.get(picture, ())
    if len(shape) != 4 or not shape[3]:
        return None
    constants = _small_constants(graph, region)
    alike = [name for name in region if len(shapes.get(name, ())) == 4 and shapes[name][3] == shape[3]]
    for result in list(reversed(alike))[:_MAX_TRIES]:
        fitted = _fit(_Computed(graph, picture, result), shape, constants)
        if fitted is not None:
            return InstanceNorm(picture, result, *fitted, shape)
    return None


def _small_constants(graph: NetworkGraph, region: Sequence[str]) -> list[float]:
    """List the single numbers among the constants of a region: epsilon is one of them."""
    return [
        float(value.reshape(()))
        for name in region
        for tensor in graph.data_inputs(graph.nodes[name])
        if (value := graph.constant(tensor)) is not None and value.size == 1 and value.dtype.kind == "f"
    ] + [_epsilon_of(graph.nodes[name]) for name in region if graph.nodes[name].op == "FusedBatchNormV3"]


def _epsilon_of(node: Any) -> float:
    epsilon: float = node.attr["epsilon"].f
    return epsilon


class _Computed:
    """The results of a part of the graph for some pictures."""

    def __init__(self, graph: NetworkGraph, picture: str, result: str) -> None:
        self._graph, self._picture, self._result = graph, picture, result

    def __call__(self, pictures: Array) -> Array:
        """
        Run the part of the graph.

        :raises tf.errors.OpError: the pictures do not suit it.
        """
        import tensorflow as tf

        tf1 = tf.compat.v1
        with tf.Graph().as_default() as computing, tf1.Session(graph=computing) as session:
            fed = tf1.placeholder(tf.float32, pictures.shape)
            (result,) = tf.graph_util.import_graph_def(
                self._graph.part(self._result, self._picture),
                input_map={f"{self._picture}:0": fed},
                return_elements=[f"{self._result}:0"],
            )
            values: Array = session.run(result, {fed: pictures})
        return values


def _fit(
    compute: Callable[[Array], Array], shape: tuple[int | None, ...], constants: Sequence[float]
) -> tuple[Array, Array, float] | None:
    """Find scale, offset and epsilon with which the formula gives what the graph computes; None if nothing fits."""
    import tensorflow as tf

    try:
        coarse, fine = (_factor(compute, picture) for picture in _probes(shape))
        epsilon = _nearest(_epsilon(coarse, fine), constants)
        if epsilon is None:
            return None
        factor, offset, variance = coarse
        scale = factor * np.sqrt(variance + epsilon)
        expected = [normalise(picture, scale, offset, epsilon) for picture in _checks(shape)]
        computed = [compute(picture) for picture in _checks(shape)]
    except (tf.errors.OpError, ValueError):
        return None
    if not np.any(scale) or not all(_close(*pair) for pair in zip(computed, expected, strict=True)):
        return None
    return scale.astype(np.float32), offset.astype(np.float32), epsilon


def normalise(pictures: Array, scale: Array, offset: Array, epsilon: float) -> Array:
    """
    Apply the formula, in float64.

    :param pictures: ``[N, H, W, C]``.
    """
    values = pictures.astype(np.float64)
    mean, variance = values.mean((1, 2), keepdims=True), values.var((1, 2), keepdims=True)
    normalised: Array = (values - mean) / np.sqrt(variance + epsilon) * scale + offset
    return normalised


def _probes(shape: tuple[int | None, ...]) -> Iterator[Array]:
    """One picture with much contrast and one with little, in which epsilon counts."""
    noise = np.random.default_rng(1).standard_normal(_whole(shape, 1))
    yield (3.0 * noise).astype(np.float32)
    yield (3e-3 * noise).astype(np.float32)


def _checks(shape: tuple[int | None, ...]) -> Iterator[Array]:
    """Pictures off the middle: one, and two that differ where the network takes more than one at a time."""
    noise = np.random.default_rng(2)
    yield (0.05 * noise.standard_normal(_whole(shape, 1)) - 1.0).astype(np.float32)
    if shape[0] is None:
        pair = noise.standard_normal(_whole(shape, 2)) * np.array([0.1, 5.0]).reshape(2, 1, 1, 1)
        yield (pair + np.array([2.0, -1.0]).reshape(2, 1, 1, 1)).astype(np.float32)


def _whole(shape: tuple[int | None, ...], count: int) -> tuple[int, ...]:
    return (shape[0] or count, shape[1] or _FREE_HEIGHT, shape[2] or _FREE_WIDTH, shape[3] or 1)


def _factor(compute: Callable[[Array], Array], pictures: Array) -> tuple[Array, Array, Array]:
    """Return the slope and offset of each channel that fit best, and the variance of its numbers."""
    values = pictures.astype(np.float64)
    centred = values - values.mean((1, 2), keepdims=True)
    results = compute(pictures).astype(np.float64)
    if results.shape != values.shape:
        raise ValueError(f"gives {results.shape} for {values.shape}")
    variance = (centred**2).mean((0, 1, 2))
    return (results * centred).mean((0, 1, 2)) / variance, results.mean((0, 1, 2)), variance


def _epsilon(coarse: tuple[Array, Array, Array], fine: tuple[Array, Array, Array]) -> float:
    """Solve ``slope**2 * (variance + epsilon) = scale**2`` for two pictures, in the channel with the largest slope."""
    channel = int(np.argmax(np.abs(coarse[0])))
    slope, variance = coarse[0][channel] ** 2, coarse[2][channel]
    fine_slope, fine_variance = fine[0][channel] ** 2, fine[2][channel]
    return float((slope * variance - fine_slope * fine_variance) / (fine_slope - slope))


def _nearest(epsilon: float, constants: Sequence[float]) -> float | None:
    """Return the constant of the graph that epsilon was computed from; None if no constant fits."""
    nearest = min(constants, key=lambda constant: abs(constant - epsilon), default=np.inf)
    return nearest if nearest > 0 and abs(nearest - epsilon) <= 0.05 * nearest + 1e-8 else None


def _close(computed: Array, expected: Array) -> bool:
    return computed.shape == expected.shape and bool(
        np.abs(computed - expected).max() <= _TOLERANCE * np.abs(expected).max()
    )
