"""A network given as a callable object (tf.Module, Keras model), run eagerly."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tendies_ops.errors import ExportError
from tendies_ops.export.network import IMAGE, Arrays, FrozenNetwork, Input, Provenance
from tendies_ops.export.sources.assignments import without_assignments
from tendies_ops.export.sources.builder import describe_error
from tendies_ops.export.sources.graph_checks import keep_called_functions, require_computing_graph
from tendies_ops.export.sources.tf1_checkpoint import placeholder_shape
from tendies_ops.spec import Contract, SourceSpec

if TYPE_CHECKING:
    import tensorflow as tf


class ModelNetwork:
    """
    A model that is called with the picture tensor, and with further inputs by name.

    :param model: keeps the variables alive; ``call`` is what computes.
    :param source: its constants, outputs and allowed operations count.
    :raises UntrustedModelError: it would do more than compute.
    """

    def __init__(
        self,
        model: Any,
        call: Callable[..., Any],
        *,
        contract: Contract,
        provenance: Provenance,
        source: SourceSpec,
    ) -> None:
        self.model = model
        self.provenance = provenance
        self._call = call
        self._constants = dict(source.constants)
        self._picked = dict(source.output_tensors)
        self._extra = {name: extra.tensor for name, extra in contract.extra_inputs.items()}
        self.inputs: dict[str, Input] = {
            IMAGE: Input(contract.input.dtype, tuple(placeholder_shape(contract))),
            **{name: Input("float32", None) for name in self._extra},
        }
        self._function = self._trace()
        require_computing_graph(
            self._function.graph.as_graph_def(),
            source.allow_operations,
            subject=f"The model of {provenance.checkpoint}",
        )
        self.outputs = tuple(self._function.structured_outputs)

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> Arrays:
        """Call the model as it is."""
        import tensorflow as tf

        arguments = {self._extra[k]: tf.constant(v) for k, v in feeds.items() if k != IMAGE}
        result = self._named(self._call(tf.constant(feeds[IMAGE]), **arguments, **self._constants))
        return {name: np.asarray(value) for name, value in result.items()}

    def freeze(self) -> FrozenNetwork:
        """Turn the traced call into a graph of constants."""
        from tensorflow.python.framework import convert_to_constants

        # Not public under tf.*, but the one converter that every TensorFlow 2 exporter (TFLite, TF-TRT) uses.
        frozen = convert_to_constants.convert_variables_to_constants_v2(without_assignments(self._function))
        names = [IMAGE, *self._extra]
        inputs = dict(zip(names, (t.name for t in frozen.inputs), strict=True))
        # A dict of results is flattened in the order of its sorted keys.
        outputs = dict(zip(sorted(self.outputs), (t.name for t in frozen.outputs), strict=True))
        graph_def = frozen.graph.as_graph_def()
        keep_called_functions(graph_def)
        return FrozenNetwork.of(graph_def, inputs, outputs)

    def _trace(self) -> Any:
        import tensorflow as tf

        image = tf.TensorSpec(self.inputs[IMAGE].shape, self.inputs[IMAGE].dtype)
        extra = [tf.TensorSpec(None, self.inputs[name].dtype) for name in self._extra]

        def call(picture: tf.Tensor, *values: tf.Tensor) -> dict[str, tf.Tensor]:
            arguments = dict(zip(self._extra.values(), values, strict=True))
            return self._named(self._call(picture, **arguments, **self._constants))

        try:
            return tf.function(call, autograph=False).get_concrete_function(image, *extra)
        except ExportError:
            raise
        except Exception as error:
            raise ExportError(
                f"The model does not accept a picture tensor {image.shape} {image.dtype.name}: "
                f"{describe_error(error)}. Check contract.input (size, channels, layout, batch_size)."
            ) from error

    def _named(self, result: Any) -> dict[str, Any]:
        if isinstance(result, list | tuple):
            result = {f"output_{n}": tensor for n, tensor in enumerate(result)} if len(result) > 1 else result[0]
        if not isinstance(result, dict):
            result = {"output": result}
        if not self._picked:
            return dict(result)
        missing = [name for name in self._picked.values() if name not in result]
        if missing:
            raise ExportError(
                f"source.output_tensors: the model has no output {missing[0]!r}; it has {', '.join(result)}."
            )
        return {name: result[key] for name, key in self._picked.items()}
