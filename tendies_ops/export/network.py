"""The common form of every source: a network that can be run as it is, and frozen into one graph of constants."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import tensorflow as tf

Arrays = dict[str, NDArray[Any]]
Shape = tuple[int | None, ...]


@dataclass(frozen=True)
class Input:
    """One input of a network."""

    dtype: str  #: numpy's name
    shape: Shape | None  #: None: any rank


@dataclass(frozen=True)
class FrozenNetwork:
    """A graph without variables, and the names of its ends."""

    graph_def: tf.compat.v1.GraphDef
    inputs: Mapping[str, str]  #: input -> tensor name; the picture is :data:`IMAGE`
    outputs: Mapping[str, str]  #: output -> tensor name
    one_picture: bool = False  #: in a batch of several it would mix them, though its tensors take one

    @classmethod
    def of(
        cls, graph_def: tf.compat.v1.GraphDef, inputs: Mapping[str, str], outputs: Mapping[str, str]
    ) -> FrozenNetwork:
        """
        Take a graph of constants, in which no node waits for an input any more.

        An input has no effect to wait for, and what takes its place when the graph is imported maps data only.
        """
        waits = {f"^{name.split(':')[0]}" for name in inputs.values()}
        for node in graph_def.node:
            if not waits.isdisjoint(node.input):
                kept = [name for name in node.input if name not in waits]
                del node.input[:]
                node.input.extend(kept)
        return cls(graph_def, inputs, outputs)

    def apply(self, feeds: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Put a copy of the network into the current graph."""
        import tensorflow as tf

        tensors = tf.graph_util.import_graph_def(
            self.graph_def,
            input_map={self.inputs[name]: tensor for name, tensor in feeds.items()},
            return_elements=list(self.outputs.values()),
            name="network",
        )
        return dict(zip(self.outputs, tensors, strict=True))


#: The name of the picture among a network's inputs.
IMAGE = "image"


@dataclass(frozen=True)
class Provenance:
    """The origin of the weights."""

    kind: str
    checkpoint: str
    digest: str
    step: int | None = None
    unused_variables: tuple[str, ...] = field(default=())


class Network(Protocol):
    """A source that was opened."""

    @property
    def inputs(self) -> Mapping[str, Input]:
        """Return what it takes; the picture is :data:`IMAGE`."""

    @property
    def outputs(self) -> tuple[str, ...]:
        """Return what it gives."""

    @property
    def provenance(self) -> Provenance:
        """Return where it came from."""

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> Arrays:
        """Compute the outputs the way the source does, before anything is frozen or saved."""

    def freeze(self) -> FrozenNetwork:
        """Make the graph of constants. The network cannot be run afterwards."""


def first_not_finite(arrays: Mapping[str, NDArray[Any]]) -> str | None:
    """Name the first array that holds NaN or infinity."""
    return next((name for name, array in arrays.items() if count_not_finite(array)), None)


def count_not_finite(array: NDArray[Any]) -> int:
    """Return how many numbers are NaN or infinite. NumPy takes bfloat16 for no floating-point number."""
    if not np.issubdtype(array.dtype, np.floating) and array.dtype.name != "bfloat16":
        return 0
    return int((~np.isfinite(array)).sum())
