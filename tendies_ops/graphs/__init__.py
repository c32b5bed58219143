"""Operations of a SavedModel's graph, read without TensorFlow."""

from __future__ import annotations

from tendies_ops.graphs.operations import explain_refusal, refused_operations, require_computing
from tendies_ops.graphs.saved_operations import operations_of, require_computing_model

__all__ = ["explain_refusal", "operations_of", "refused_operations", "require_computing", "require_computing_model"]
