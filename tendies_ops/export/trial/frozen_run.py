"""One frozen network in a session, with the few internal values that show how it is fed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tendies_ops.export.network import IMAGE, Arrays, FrozenNetwork, Network

if TYPE_CHECKING:
    import tensorflow as tf

_CONVOLUTIONS = ("Conv2D", "DepthwiseConv2dNative", "_FusedConv2D")
_PASSED = ("Identity", "Cast", "ReadVariableOp", "Transpose")


class FrozenRun:
    """
    A network as a function of arrays.

    :param feeds: a value for each input but the picture.
    """

    def __init__(self, network: Network, feeds: Arrays) -> None:
        import tensorflow as tf

        self.inputs = network.inputs
        frozen = network.freeze()
        self._graph = tf.Graph()
        with self._graph.as_default():
            self._image = tf.compat.v1.placeholder(self.inputs[IMAGE].dtype, None)
            others = {name: tf.constant(value) for name, value in feeds.items()}
            self._outputs = _apply(frozen, {IMAGE: self._image, **others}, self.inputs[IMAGE].shape)
        self._session = tf.compat.v1.Session(graph=self._graph)
        self._insides = _Insides(self._graph)

    def run(self, image: NDArray[Any]) -> Arrays:
        """
        Run a batch.

        :raises tf.errors.OpError: the network does not take that size.
        """
        values = self._session.run(list(self._outputs.values()), {self._image: image})
        return {name: np.asarray(value) for name, value in zip(self._outputs, values, strict=True)}

    def saturation(self, image: NDArray[Any]) -> float:
        """Return the share of 6 in what the first Relu6 gives; 0 without one."""
        tensor = self._insides.first_relu6
        if tensor is None:
            return 0.0
        return float(np.mean(self._session.run(tensor, {self._image: image}) >= 6.0))

    def distance_from_training(self, images: Sequence[NDArray[Any]]) -> float | None:
        """Return by how many stored deviations the first layer is off what training saw; None if no layer shows it."""
        norm = self._insides.first_norm
        if norm is None:
            return None
        seen = np.mean([self._session.run(norm.given, {self._image: one}) for one in images], axis=(0, 1, 2, 3))
        mean, deviation = self._session.run([norm.mean, norm.variance])
        if not np.any(mean) and np.all(deviation == 1):
            return None  # as it was initialised
        return float(np.median(np.abs(seen - mean) / np.sqrt(deviation + 1e-6)))

    def red_to_blue(self) -> float | None:
        """Return how much more the first layer weighs the first channel than the third; None: it is not known."""
        kernel = self._insides.first_kernel
        if kernel is None or kernel.shape[2] != 3:
            return None
        values = np.asarray(self._session.run(kernel), np.float64)
        norms = np.sqrt((values**2).sum(axis=(0, 1, 3)))
        return float(norms[0] / norms[2]) if norms[2] else None


def _apply(frozen: FrozenNetwork, feeds: dict[str, Any], shape: Any) -> dict[str, Any]:
    feeds[IMAGE].set_shape(shape)
    return frozen.apply(feeds)


class _Norm:
    """Batch normalisation right after the first convolution."""

    def __init__(self, operation: tf.Operation) -> None:
        self.given, self.mean, self.variance = (operation.inputs[number] for number in (0, 3, 4))


class _Insides:
    """The first layers of a graph."""

    def __init__(self, graph: tf.Graph) -> None:
        operations = graph.get_operations()
        self.first_relu6 = next((op.outputs[0] for op in operations if op.type == "Relu6"), None)
        first = next((op for op in operations if op.type in _CONVOLUTIONS), None)
        self.first_kernel = first.inputs[1] if first is not None else None
        self.first_norm = None if first is None else _norm_after(first)


def _norm_after(operation: tf.Operation) -> _Norm | None:
    for _ in range(3):
        users = operation.outputs[0].consumers()
        norms = [user for user in users if user.type.startswith("FusedBatchNorm") and len(user.inputs) == 5]
        if norms:
            return _Norm(norms[0])
        if len(users) != 1 or users[0].type not in ("BiasAdd", *_PASSED):
            return None
        operation = users[0]
    return None
