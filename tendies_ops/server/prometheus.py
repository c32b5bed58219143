"""
Counters in Prometheus' text format, under the names that dashboards of the real server know.

Source: tensorflow/serving util/prometheus_exporter.cc (format), servables/tensorflow/util.cc (buckets), and a recorded
page (names).
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from dataclasses import dataclass, field
from typing import Final

Labels = tuple[tuple[str, str], ...]

_SERVING: Final = ":tensorflow:serving:"
_LATENCY_LIMITS: Final = [10.0 * 1.8**power for power in range(33)]  # microseconds, up to some 20 minutes
_COUNT_LIMITS: Final = [float(2**power) for power in range(15)]
_MAX_POINTS: Final = 10_000  # of one metric: model names come from clients too

_COUNTERS: Final = (
    ":tensorflow:cc:saved_model:load_attempt_count",
    ":tensorflow:cc:saved_model:load_latency",
    _SERVING + "batching_session:wrapped_run_count",
    _SERVING + "model_warmup_records_read",
    _SERVING + "request_count",
    _SERVING + "request_example_count_total",
)
_HISTOGRAMS: Final = (
    _SERVING + "batching_session:queuing_latency",
    _SERVING + "model_warmup_latency",
    _SERVING + "request_example_counts",
    _SERVING + "request_latency",
    _SERVING + "runtime_latency",
)


@dataclass
class _Histogram:
    limits: list[float]
    counts: list[int] = field(default_factory=list)
    total: float = 0.0

    def add(self, value: float) -> None:
        if not self.counts:
            self.counts = [0] * (len(self.limits) + 1)
        self.counts[bisect_left(self.limits, value)] += 1
        self.total += value

    def lines(self, name: str, labels: str) -> list[str]:
        lines, so_far = [], 0
        comma = "," if labels else ""
        for limit, count in zip([*(f"{limit:g}" for limit in self.limits), "+Inf"], self.counts, strict=True):
            so_far += count
            lines.append(f'{name}_bucket{{{labels}{comma}le="{limit}"}} {so_far}')
        return [*lines, f"{name}_sum{{{labels}}} {self.total:g}", f"{name}_count{{{labels}}} {so_far}"]


class Metrics:
    """All counters of one server; safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counters: dict[str, dict[Labels, int]] = {name: {} for name in _COUNTERS}
        self._histograms: dict[str, dict[Labels, _Histogram]] = {name: {} for name in _HISTOGRAMS}

    def count(self, name: str, amount: int = 1, **labels: str) -> None:
        """Add to a counter, named without ``:tensorflow:serving:``."""
        with self._lock:
            points = self._counters[_full(name)]
            key = tuple(labels.items())
            if key in points or len(points) < _MAX_POINTS:
                points[key] = points.get(key, 0) + amount

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Add to a histogram: of microseconds, or of rows where the name says counts or size."""
        full = _full(name)
        with self._lock:
            points = self._histograms[full]
            key = tuple(labels.items())
            if key not in points and len(points) < _MAX_POINTS:
                points[key] = _Histogram(_LATENCY_LIMITS if "latency" in name else _COUNT_LIMITS)
            if key in points:
                points[key].add(value)

    def page(self) -> bytes:
        """Return the page that Prometheus reads."""
        lines = []
        with self._lock:
            for name, points in self._counters.items():
                lines.append(f"# TYPE {name} counter")
                lines += [f"{name}{{{_label_text(key)}}} {value}" for key, value in points.items()]
            for name, histograms in self._histograms.items():
                lines.append(f"# TYPE {name} histogram")
                for key, histogram in histograms.items():
                    lines += histogram.lines(name, _label_text(key))
        return ("\n".join(lines) + "\n").encode("utf-8", "replace")


def _full(name: str) -> str:
    return name if name.startswith(":") else _SERVING + name


def _label_text(labels: Labels) -> str:
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in labels)


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')
