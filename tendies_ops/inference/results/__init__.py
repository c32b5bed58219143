"""Decide which files a model's answers become: pictures, detections, scores or other numbers."""

from __future__ import annotations

from tendies_ops.inference.results.make_results import ResultFile, ResultMaker
from tendies_ops.inference.results.outputs import Answers, describe_answers

__all__ = ["Answers", "ResultFile", "ResultMaker", "describe_answers"]
