"""Networks whose ends are not batches of pixels: they take one picture without a batch, or encoded files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tendies_ops.errors import SpecError
from tendies_ops.export.network import IMAGE, Arrays, FrozenNetwork, Input, Network, Provenance
from tendies_ops.spec import Contract

if TYPE_CHECKING:
    import tensorflow as tf

_PICTURE_RANK = 3


def adapted(network: Network, contract: Contract) -> Network:
    """
    Return the network itself if it takes a batch of pixels, else one that does and passes them on.

    :raises SpecError: it takes encoded files, and the contract prepares other numbers than pixels for it.
    """
    image = network.inputs[IMAGE]
    takes_files = image.dtype in ("string", "object")
    takes_one = image.shape is not None and len(image.shape) == (0 if takes_files else _PICTURE_RANK)
    if takes_files and contract.input.dtype != "uint8":
        raise SpecError(
            "The network takes encoded picture files already. Set contract.input.dtype: uint8, and each picture is "
            "passed on as a PNG file of its pixels; or give the tensor after the decoding as source.input_tensor."
        )
    if not takes_files and not takes_one:
        return network
    return AdaptedNetwork(network, contract, takes_files=takes_files, takes_one=takes_one)


class AdaptedNetwork:
    """
    A network for batches of pixels made of one for files or for single pictures.

    :param takes_files: pixels are passed on as PNG files, and pictures that come back as files are decoded.
    :param takes_one: the batch of one is taken away before and added again after.
    """

    def __init__(self, network: Network, contract: Contract, *, takes_files: bool, takes_one: bool) -> None:
        self._network, self._contract = network, contract
        self._takes_files, self._takes_one = takes_files, takes_one
        image = network.inputs[IMAGE]
        pixels = (None, None, contract.input.channels) if takes_files else (image.shape or ())[-_PICTURE_RANK:]
        own = Input("uint8" if takes_files else image.dtype, (1 if takes_one else None, *pixels))
        self.inputs: Mapping[str, Input] = {**network.inputs, IMAGE: own}

    @property
    def outputs(self) -> tuple[str, ...]:
        """Return the names of the outputs."""
        return self._network.outputs

    @property
    def provenance(self) -> Provenance:
        """Return where the weights came from."""
        return self._network.provenance

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> Arrays:
        """Run the network on a batch of pixels."""
        import tensorflow as tf

        image = self._before(tf.constant(feeds[IMAGE])).numpy()
        results = self._network.run({**feeds, IMAGE: np.asarray(image)})
        return {name: self._after(name, tf.constant(value)).numpy() for name, value in results.items()}

    def freeze(self) -> FrozenNetwork:
        """Put the adaptation around the frozen network."""
        import tensorflow as tf

        frozen = self._network.freeze()
        with tf.Graph().as_default() as graph:
            feeds = {name: tf.compat.v1.placeholder(end.dtype, end.shape) for name, end in self.inputs.items()}
            results = frozen.apply({**feeds, IMAGE: self._before(feeds[IMAGE])})
            outputs = {name: tf.identity(self._after(name, value)).name for name, value in results.items()}
        inputs = {name: tensor.name for name, tensor in feeds.items()}
        return FrozenNetwork.of(graph.as_graph_def(), inputs, outputs)

    def _before(self, batch: tf.Tensor) -> tf.Tensor:
        import tensorflow as tf

        if self._takes_files:
            batch = tf.map_fn(tf.io.encode_png, batch, fn_output_signature=tf.TensorSpec([], tf.string))
        return batch[0] if self._takes_one else batch

    def _after(self, name: str, value: tf.Tensor) -> tf.Tensor:
        import tensorflow as tf

        batch = value[tf.newaxis] if self._takes_one else value
        if batch.dtype != tf.string or self._contract.for_output(name).kind not in ("image", "segmentation"):
            return batch

        def decode(file: tf.Tensor) -> tf.Tensor:
            return tf.io.decode_image(file, expand_animations=False)

        return tf.map_fn(decode, batch, fn_output_signature=tf.TensorSpec([None, None, None], tf.uint8))
