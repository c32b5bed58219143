"""A model's answers in numbers (boxes, classes with scores, values), as lines for people to read. No FastAPI."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import orjson

from tendies_ops.inference.ledger.outcomes import PictureError
from tendies_ops.inference.results.detections import Detection, read_detections
from tendies_ops.inference.results.table import describe_outputs
from tendies_ops.spec.manifest import GoldenEntry
from tendies_ops.web.safety import OutsideError, confine

SUFFIX = ".json"
_MAX_BYTES = 4 << 20
_MAX_LINES = 20
_WRONG_TYPES = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


def promised_picture(golden: GoldenEntry) -> str | None:
    """Return the first picture among the answers to a golden picture; None: the model answers in numbers alone."""
    return next((name for name in golden.outputs.values() if not name.endswith(SUFFIX)), None)


def golden_numbers(directory: Path | None, golden: GoldenEntry) -> str:
    """Return the numbers that the exporter promised for a golden picture; empty when it promised none."""
    if directory is None:
        return ""
    files = {output: name for output, name in golden.outputs.items() if name.endswith(SUFFIX)}
    return _lines_of({output: _load(directory, name) for output, name in files.items()})


def result_numbers(path: Path) -> str:
    """Read the numbers that a batch wrote next to or instead of a picture (``<stem>.json``), if any."""
    document = _load(path.parent, path.name)
    if not isinstance(document, dict):
        return ""
    if isinstance(listed := document.get("detections"), list):
        return _shortened(_box_line(one) for one in listed if isinstance(one, dict))
    outputs = document.get("outputs")
    return _lines_of(outputs) if isinstance(outputs, dict) else ""


def _load(directory: Path, name: str) -> Any:
    try:
        path = confine(directory, name)
        return orjson.loads(path.read_bytes()) if path.stat().st_size <= _MAX_BYTES else None
    except (OutsideError, OSError, orjson.JSONDecodeError):
        return None


def _lines_of(outputs: Mapping[str, Any]) -> str:
    if {"detection_boxes", "detection_scores"} <= outputs.keys():
        try:
            return _shortened(_box_line(_as_listed(one)) for one in read_detections(outputs, ()))
        except (PictureError, *_WRONG_TYPES):
            return ""
    try:
        return _shortened(describe_outputs(dict(outputs)).splitlines())
    except _WRONG_TYPES:  # words where numbers belong
        return ""


def _as_listed(one: Detection) -> dict[str, Any]:
    return {"label": one.label, "score": one.score, "box": one.box}


def _box_line(one: Mapping[str, Any]) -> str:
    """``cat  0.96  left 12% to 30%, top 40% to 55%``, in parts of the picture."""
    try:
        top, left, bottom, right = (f"{float(place):.0%}" for place in one["box"])
        return f"{one['label']}  {float(one['score']):.2f}  left {left} to {right}, top {top} to {bottom}"
    except _WRONG_TYPES:
        return "a box that makes no sense"


def _shortened(lines: Iterable[str]) -> str:
    every = list(lines)
    more = [f"and {len(every) - _MAX_LINES} more"] if len(every) > _MAX_LINES else []
    return "\n".join([*every[:_MAX_LINES], *more])
