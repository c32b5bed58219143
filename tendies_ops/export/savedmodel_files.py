"""Writing a SavedModel whose bytes depend on nothing but its content, and loading it again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from tendies_ops.errors import ExportError
from tendies_ops.export.contract.signature import ServingGraph, Signature

if TYPE_CHECKING:
    import tensorflow as tf


def write_saved_model(serving: ServingGraph, directory: Path) -> None:
    """
    Write ``saved_model.pb``.

    The weights are constants of the graph, so there is no ``variables/``. tf.saved_model.save would add a
    ``fingerprint.pb`` with a random number and serialise maps in any order: the same model would never have the same
    digest twice.

    :raises ExportError: the model is larger than a protocol buffer can be (2 GiB).
    """
    import tensorflow as tf
    from tensorflow.core.protobuf import saved_model_pb2

    with serving.graph.as_default():
        meta_graph = tf.compat.v1.train.export_meta_graph(clear_devices=True)
    meta_graph.ClearField("collection_def")
    meta_graph.meta_info_def.tags.append("serve")
    for name, signature in serving.signatures.items():
        meta_graph.signature_def[name].CopyFrom(_signature_def(signature))
    saved_model = saved_model_pb2.SavedModel(saved_model_schema_version=1, meta_graphs=[meta_graph])
    size_bytes = saved_model.ByteSize()
    if size_bytes >= 2**31:
        raise ExportError(f"The model has {size_bytes / 2**30:.1f} GiB of weights; a frozen graph holds at most 2 GiB.")
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "saved_model.pb").write_bytes(saved_model.SerializeToString(deterministic=True))


def _signature_def(signature: Signature) -> Any:
    from tensorflow.core.protobuf import meta_graph_pb2

    def describe(tensor: tf.Tensor) -> Any:
        return meta_graph_pb2.TensorInfo(
            name=tensor.name, dtype=tensor.dtype.as_datatype_enum, tensor_shape=tensor.shape.as_proto()
        )

    return meta_graph_pb2.SignatureDef(
        inputs={name: describe(tensor) for name, tensor in signature.inputs.items()},
        outputs={name: describe(tensor) for name, tensor in signature.outputs.items()},
        method_name=signature.method,
    )


class ServedSignature:
    """
    One signature of a SavedModel in a session, as Model Server loads and runs it.

    tf.saved_model.load would do as well, but copies a frozen graph some fifteen times into functions.
    """

    def __init__(self, directory: Path, name: str = "serving_default") -> None:
        import tensorflow as tf

        self._session = tf.compat.v1.Session(graph=tf.Graph())
        try:
            with self._session.graph.as_default():
                meta_graph = tf.compat.v1.saved_model.load(self._session, ["serve"], str(directory))
        except (OSError, ValueError, RuntimeError, tf.errors.OpError) as error:
            raise ExportError(
                f"The SavedModel {directory} does not load: {' '.join(str(error).split())[:400]}."
            ) from error
        signature = meta_graph.signature_def[name]
        self.inputs = {key: self._tensor(info) for key, info in signature.inputs.items()}
        self.outputs = {key: self._tensor(info) for key, info in signature.outputs.items()}

    def _tensor(self, info: Any) -> tf.Tensor:
        return self._session.graph.get_tensor_by_name(info.name)

    def __call__(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """
        Answer one request.

        :raises tf.errors.OpError: the graph refuses it.
        """
        answer: dict[str, NDArray[Any]] = self._session.run(
            self.outputs, {self.inputs[name]: value for name, value in inputs.items()}
        )
        return answer


def load_signature(directory: Path, name: str = "serving_default") -> Any:
    """
    Load it the plain way, as any user of TensorFlow would.

    :raises ExportError: TensorFlow cannot load it, or it has no such signature.
    """
    import tensorflow as tf

    try:
        loaded = tf.saved_model.load(str(directory))
        function = loaded.signatures[name]
    except (OSError, ValueError, RuntimeError, KeyError, tf.errors.OpError) as error:
        raise ExportError(f"The SavedModel {directory} does not load: {' '.join(str(error).split())[:400]}.") from error
    function.keep_alive = loaded
    return function
