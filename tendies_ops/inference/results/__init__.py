"""What becomes of a model's answers: pictures, detections, scores and other numbers, as its signature says."""

from __future__ import annotations

from tendies_ops.inference.results.make_results import ResultFile, ResultMaker
from tendies_ops.inference.results.outputs import Answers, describe_answers

__all__ = ["Answers", "ResultFile", "ResultMaker", "describe_answers"]
