"""What the servables without TensorFlow have in common: files in, files out, of any number at once."""

from __future__ import annotations

from collections.abc import Mapping

from tendies_ops.server.graph.signatures import Dimension, Signature, TensorInfo
from tendies_ops.server.graph.tensors import STRING, StringTensor, Tensor

_ANY_NUMBER = (Dimension(-1),)


class FileServable:
    """Signature: serving_default, input_bytes string [N] -> output_bytes string [N]."""

    signatures: Mapping[str, Signature] = {
        "serving_default": Signature(
            "serving_default",
            inputs={"input_bytes": TensorInfo("serving_default_input_bytes:0", STRING, _ANY_NUMBER)},
            outputs={"output_bytes": TensorInfo("StatefulPartitionedCall:0", STRING, _ANY_NUMBER)},
            method_name="tensorflow/serving/predict",
        )
    }

    def before_answers(self) -> None:
        """A request has come; may take its time, or raise StatusError."""

    def answer(self, file: bytes) -> bytes:
        """One file's answer."""
        raise NotImplementedError

    def run(self, signature: Signature, inputs: Mapping[str, Tensor], *, timeout_ms: int = 0) -> dict[str, Tensor]:
        files = inputs["input_bytes"]
        assert isinstance(files, StringTensor)
        self.before_answers()
        return {"output_bytes": StringTensor(files.shape, [self.answer(file) for file in files.values])}

    def close(self) -> None:
        """Nothing to give back."""
