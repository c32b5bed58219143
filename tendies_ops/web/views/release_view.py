"""The report of one release: what the swap cost, replica by replica, and what the gate measured. No FastAPI."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from tendies_ops.publish.layout import RELEASES, STATE_DIRECTORY
from tendies_ops.web.sources.typed import is_number, read_json
from tendies_ops.web.views.charts import Series, line_chart
from tendies_ops.web.views.measures import Measured, measured_pictures

_BEFORE = 0.2  # of the width: what served before the rename


@dataclass(frozen=True)
class Lane:
    """One replica."""

    server: str
    available_s: float  #: after the rename

    @property
    def name(self) -> str:
        """Return host and port."""
        return self.server.split("://")[-1]


@dataclass(frozen=True)
class ReleaseFacts:
    """One release, as far as its report has it."""

    facts: dict[str, Any]

    @property
    def swap(self) -> dict[str, Any]:
        """The figures of the probe, which sent requests during the swap."""
        return _mapping(self.facts.get("swap"))

    @property
    def live_version(self) -> int | None:
        """The version that served before."""
        version = _mapping(self.facts.get("gate")).get("live_version", self.facts.get("previous_version"))
        return version if isinstance(version, int) else None

    @property
    def phases(self) -> tuple[tuple[str, dict[str, Any]], ...]:
        """Before, during and after the swap: requests, p50 and p99."""
        found = ((name, _mapping(self.swap.get(name))) for name in ("before", "during", "after"))
        return tuple((name, figures) for name, figures in found if is_number(figures.get("p99_ms")))

    @property
    def failed_requests(self) -> tuple[int, int] | None:
        """Return failed requests of the probe and all of them; None: nothing was probed."""
        failed, requests = self.swap.get("failed"), self.swap.get("requests")
        return (failed, requests) if isinstance(failed, int) and isinstance(requests, int) and requests else None

    @property
    def seconds_to_available(self) -> float | None:
        """Seconds from the rename until the slowest replica served."""
        return self._number("seconds_to_available")

    @property
    def elapsed_s(self) -> float | None:
        """Seconds that the release took under the lock."""
        return self._number("elapsed_s")

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """Return a lane for each replica whose swap was watched."""
        replicas = self.facts.get("replicas")
        found = [_mapping(one) for one in replicas] if isinstance(replicas, list) else []
        return tuple(
            Lane(str(one.get("server", "")), float(one["seconds_to_available"]))
            for one in found
            if is_number(one.get("seconds_to_available"))
        )

    @property
    def chart(self) -> Markup:
        """Return the times of the probe's requests around the swap; zero is the rename."""
        points = self._points()
        answered = [(at_s, took_ms) for at_s, took_ms, failed in points if not failed]
        refused = [(at_s, took_ms) for at_s, took_ms, failed in points if failed]
        label = f"Time of a request in ms; zero is the rename. {len(refused)} of {len(points)} requests failed"
        return line_chart([Series("answered", answered)], unit="ms", label=label, marks=[0.0], dots=refused)

    @property
    def pictures(self) -> tuple[Measured, ...]:
        """Return what the gate measured, the largest difference first."""
        return measured_pictures(_mapping(self.facts.get("gate")).get("images"))

    def _number(self, name: str) -> float | None:
        value = self.facts.get(name)
        return float(value) if is_number(value) else None  # type: ignore[arg-type]

    def _points(self) -> list[tuple[float, float, bool]]:
        try:
            return [(float(at_s), float(ms), bool(failed)) for at_s, ms, failed in self.swap.get("timeline") or ()]
        except (TypeError, ValueError):
            return []


def read_release(model_base_path: Path | None, version: int) -> ReleaseFacts | None:
    """Read the report of the release of a version; None if it cannot be read."""
    if model_base_path is None:
        return None
    try:
        facts = read_json(model_base_path / STATE_DIRECTORY / RELEASES / f"{version}.json")
    except OSError:
        return None
    return ReleaseFacts(facts) if isinstance(facts, dict) else None


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def end_s(lanes: Sequence[Lane]) -> float:
    """Return where the lanes end: half as long again as the slowest replica took."""
    return max(1.0, 1.5 * max((lane.available_s for lane in lanes), default=1.0))


def draw_lane(lane: Lane, lanes: Sequence[Lane]) -> Markup:
    """
    Draw what a replica served over the time of a swap.

    Its name has the same as text. All lanes have the scale of the slowest.
    """
    width, zero = 1000.0, 1000.0 * _BEFORE
    served = min(width, zero + (width - zero) * lane.available_s / end_s(lanes))
    label = f"{lane.name}: the new version served {lane.available_s:.1f} s after the rename"
    return Markup(
        '<svg class="lane" viewBox="0 0 1000 20" preserveAspectRatio="none" role="img" aria-label="{}">'
        '<rect class="old" width="{}" height="20"/><rect class="load" x="{}" width="{}" height="20"/>'
        '<rect class="new" x="{}" width="{}" height="20"/><rect class="zero" x="{}" width="2" height="20"/></svg>'
    ).format(label, zero, zero, round(served - zero, 1), round(served, 1), round(width - served, 1), zero)
