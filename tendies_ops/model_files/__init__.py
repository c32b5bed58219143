"""Reading the files of models, without TensorFlow and without running any of them; drafts of model specs."""

from __future__ import annotations

from tendies_ops.model_files.description import ModelFile, Signature, Tensor
from tendies_ops.model_files.inspect_model import inspect_model
from tendies_ops.model_files.locate import holds_model

__all__ = ["ModelFile", "Signature", "Tensor", "holds_model", "inspect_model"]
