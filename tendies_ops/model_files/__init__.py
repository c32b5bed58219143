"""What a file or directory of a model is and holds, read without TensorFlow and without running any of it."""

from __future__ import annotations

from tendies_ops.model_files.locate import holds_model

__all__ = ["holds_model"]
