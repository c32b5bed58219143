"""
Export any TensorFlow image model as a SavedModel that takes and returns image files, proved to compute the same.

The parent (:mod:`~tendies_ops.export.parent_process`) starts a child process and never imports TensorFlow; the child
(:mod:`~tendies_ops.export.child_process`) does the work.
"""

from __future__ import annotations

from tendies_ops.export.parent_process import ExportResult, check_loads, export_model, try_contracts

__all__ = ["ExportResult", "check_loads", "export_model", "try_contracts"]
