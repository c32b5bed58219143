"""What the swap of a version cost and what the gate saw, from the report that the release keeps. No FastAPI."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from markupsafe import Markup

from tendies_ops.publish.layout import STATE_DIRECTORY
from tendies_ops.web.views.charts import Mark, Series, line_chart


@dataclass(frozen=True)
class GateRow:
    """One golden picture, candidate against live."""

    name: str
    measures: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class ReleaseFacts:
    """One release, as far as its report tells."""

    facts: dict[str, Any]

    @property
    def swap(self) -> dict[str, Any]:
        """The probe's figures."""
        return _mapping(self.facts.get("swap"))

    @property
    def phases(self) -> tuple[tuple[str, dict[str, Any]], ...]:
        """Before, during and after the swap: requests, p50 and p99."""
        found = ((name, _mapping(self.swap.get(name))) for name in ("before", "during", "after"))
        return tuple((name, figures) for name, figures in found if figures)

    @property
    def seconds_to_available(self) -> float | None:
        """From the rename to AVAILABLE on the slowest replica."""
        value = self.facts.get("seconds_to_available")
        return float(value) if isinstance(value, int | float) else None

    @property
    def chart(self) -> Markup:
        """Return how long the probe's requests took around the swap, with the two moments that matter."""
        points = self._points()
        marks = [Mark(0.0, "visible")]
        if self.seconds_to_available:
            marks.append(Mark(self.seconds_to_available, "available everywhere"))
        answered = [(at_s, took_ms) for at_s, took_ms, failed in points if not failed]
        refused = [(at_s, took_ms) for at_s, took_ms, failed in points if failed]
        label = f"Request times around the swap; {len(refused)} of the requests shown failed"
        return line_chart([Series("answered", answered)], unit="ms", label=label, marks=marks, dots=refused)

    @property
    def gate_rows(self) -> tuple[GateRow, ...]:
        """Return what the gate measured."""
        images = _mapping(_mapping(self.facts.get("gate")).get("images"))
        return tuple(
            GateRow(str(name), tuple((str(key), _short(value)) for key, value in _mapping(measures).items()))
            for name, measures in images.items()
        )

    def _points(self) -> list[tuple[float, float, bool]]:
        try:
            return [(float(at_s), float(ms), bool(failed)) for at_s, ms, failed in self.swap.get("timeline") or ()]
        except (TypeError, ValueError):
            return []


def read_release(model_base_path: Path | None, version: int) -> ReleaseFacts | None:
    """The report of the release of a version; None when there is none that can be read."""
    if model_base_path is None:
        return None
    try:
        facts = orjson.loads((model_base_path / STATE_DIRECTORY / "releases" / f"{version}.json").read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return None
    return ReleaseFacts(facts) if isinstance(facts, dict) else None


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
