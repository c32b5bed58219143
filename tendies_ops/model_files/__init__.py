"""What a file or directory of a model is and holds, read without TensorFlow and without running any of it."""

from __future__ import annotations

from tendies_ops.model_files.description import ModelFile, Signature, Tensor
from tendies_ops.model_files.inspect_model import inspect_model
from tendies_ops.model_files.locate import holds_model

__all__ = ["ModelFile", "Signature", "Tensor", "holds_model", "inspect_model"]
