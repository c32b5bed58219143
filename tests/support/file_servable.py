"""What the servables without TensorFlow have in common: files in, files out, of any number at once."""

from __future__ import annotations

from collections.abc import Mapping

from google.protobuf import text_format

from tendies_ops.server.graph.signatures import Signature, read_signatures
from tendies_ops.server.graph.tensors import Tensor, string_tensor
from tendies_ops.server.protobuf.messages import MetaGraphDef

_META_GRAPH = """
signature_def { key: "serving_default" value {
  inputs { key: "input_bytes" value {
    name: "serving_default_input_bytes:0" dtype: DT_STRING tensor_shape { dim { size: -1 } } } }
  outputs { key: "output_bytes" value {
    name: "StatefulPartitionedCall:0" dtype: DT_STRING tensor_shape { dim { size: -1 } } } }
  method_name: "tensorflow/serving/predict" } }
"""


class FileServable:
    """Signature: serving_default, input_bytes string [N] -> output_bytes string [N]."""

    signatures: Mapping[str, Signature] = read_signatures(
        text_format.Parse(_META_GRAPH, MetaGraphDef()).SerializeToString()
    )

    def before_answers(self) -> None:
        """A request has come; may take its time, or raise StatusError."""

    def answer(self, file: bytes) -> bytes:
        """One file's answer."""
        raise NotImplementedError

    def run(self, signature: Signature, inputs: Mapping[str, Tensor], *, timeout_ms: int = 0) -> dict[str, Tensor]:
        files = inputs["input_bytes"]
        assert files.values is not None
        self.before_answers()
        return {"output_bytes": string_tensor(files.shape, [self.answer(file) for file in files.values])}

    def close(self) -> None:
        """Nothing to give back."""
