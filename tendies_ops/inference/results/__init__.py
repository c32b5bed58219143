"""What becomes of a model's answers: pictures, detections, scores and other numbers, as its signature says."""

from __future__ import annotations

from tendies_ops.inference.results.answers import Answers, describe_answers
from tendies_ops.inference.results.making import ResultFile, ResultMaker

__all__ = ["Answers", "ResultFile", "ResultMaker", "describe_answers"]
