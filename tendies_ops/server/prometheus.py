"""
Metrics in Prometheus' text format, with the real server's names.

Source: tensorflow/serving util/prometheus_exporter.cc (format), servables/tensorflow/util.cc (buckets).
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from dataclasses import dataclass, field
from typing import Final

Labels = tuple[tuple[str, str], ...]

_PREFIX: Final = ":tensorflow:serving:"
_COUNTERS: Final = ("request_count",)
_HISTOGRAMS: Final = ("request_latency", "runtime_latency")
_LIMITS_US: Final = [10.0 * 1.8**power for power in range(33)]  # up to some 20 minutes
_MAX_POINTS: Final = 10_000  # per metric: clients can invent model names


@dataclass
class _Histogram:
    counts: list[int] = field(default_factory=lambda: [0] * (len(_LIMITS_US) + 1))
    total_us: float = 0.0

    def add(self, value_us: float) -> None:
        self.counts[bisect_left(_LIMITS_US, value_us)] += 1
        self.total_us += value_us

    def lines(self, name: str, labels: str) -> list[str]:
        lines, so_far = [], 0
        for limit, count in zip([*(f"{limit:g}" for limit in _LIMITS_US), "+Inf"], self.counts, strict=True):
            so_far += count
            lines.append(f'{name}_bucket{{{labels},le="{limit}"}} {so_far}')
        return [*lines, f"{name}_sum{{{labels}}} {self.total_us:g}", f"{name}_count{{{labels}}} {so_far}"]


class Metrics:
    """The metrics of a server; safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counters: dict[str, dict[Labels, int]] = {name: {} for name in _COUNTERS}
        self._histograms: dict[str, dict[Labels, _Histogram]] = {name: {} for name in _HISTOGRAMS}

    def count(self, name: str, **labels: str) -> None:
        """Add one to a counter."""
        key = tuple(labels.items())
        with self._lock:
            points = self._counters[name]
            if key in points or len(points) < _MAX_POINTS:
                points[key] = points.get(key, 0) + 1

    def observe(self, name: str, value_us: float, **labels: str) -> None:
        """Add a time to a histogram."""
        key = tuple(labels.items())
        with self._lock:
            points = self._histograms[name]
            if key in points or len(points) < _MAX_POINTS:
                points.setdefault(key, _Histogram()).add(value_us)

    def page(self) -> bytes:
        """Return the page for Prometheus."""
        lines = []
        with self._lock:
            for name, points in self._counters.items():
                lines.append(f"# TYPE {_PREFIX}{name} counter")
                lines += [f"{_PREFIX}{name}{{{_label_text(key)}}} {value}" for key, value in points.items()]
            for name, histograms in self._histograms.items():
                lines.append(f"# TYPE {_PREFIX}{name} histogram")
                for key, histogram in histograms.items():
                    lines += histogram.lines(_PREFIX + name, _label_text(key))
        return ("\n".join(lines) + "\n").encode("utf-8", "replace")


def _label_text(labels: Labels) -> str:
    escaped = ((name, value.replace("\\", "\\\\").replace('"', '\\"')) for name, value in labels)
    return ",".join(f'{name}="{value}"' for name, value in escaped)
