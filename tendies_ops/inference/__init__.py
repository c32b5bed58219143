"""Batch inference: a folder in, a folder out, every picture accounted for."""

from __future__ import annotations

from tendies_ops.inference.options import BatchOptions, new_run_id
from tendies_ops.inference.report.batch_report import BatchProgress, BatchReport, describe_failures
from tendies_ops.inference.requests.pin_version import no_note
from tendies_ops.inference.run import run_batch

__all__ = [
    "BatchOptions",
    "BatchProgress",
    "BatchReport",
    "describe_failures",
    "new_run_id",
    "no_note",
    "run_batch",
]
