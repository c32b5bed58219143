"""
Counters in Prometheus' text format, under the names that dashboards of the real server know.

Source: tensorflow/serving util/prometheus_exporter.cc (format), servables/tensorflow/util.cc (buckets), and a recorded
page (names).
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from dataclasses import dataclass, field
from typing import Final, Literal

Labels = tuple[tuple[str, str], ...]
Kind = Literal["counter", "gauge", "histogram"]

_SERVING: Final = ":tensorflow:serving:"
_LATENCY_LIMITS: Final = [10.0 * 1.8**power for power in range(33)]  # microseconds, up to some 20 minutes
_MAX_POINTS: Final = 10_000  # of one metric: model names come from clients too
_COUNT_LIMITS: Final = [float(2**power) for power in range(15)]

_KINDS: Final[dict[str, Kind]] = {
    ":tensorflow:cc:saved_model:load_attempt_count": "counter",
    ":tensorflow:cc:saved_model:load_latency": "counter",
    _SERVING + "batching:mixed_priority_batching_policy": "gauge",
    _SERVING + "batching:padding_size_v2": "histogram",
    _SERVING + "batching:processed_batch_size_v2": "histogram",
    _SERVING + "batching_session:queuing_latency": "histogram",
    _SERVING + "batching_session:wrapped_run_count": "counter",
    _SERVING + "mlmd_map": "gauge",
    _SERVING + "model_warmup_latency": "histogram",
    _SERVING + "model_warmup_records_read": "counter",
    _SERVING + "request_count": "counter",
    _SERVING + "request_example_count_total": "counter",
    _SERVING + "request_example_counts": "histogram",
    _SERVING + "request_latency": "histogram",
    _SERVING + "request_log_count": "counter",
    _SERVING + "runtime_latency": "histogram",
}


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
        self._scalars: dict[str, dict[Labels, int]] = {name: {} for name, kind in _KINDS.items() if kind != "histogram"}
        self._histograms: dict[str, dict[Labels, _Histogram]] = {
            name: {} for name, kind in _KINDS.items() if kind == "histogram"
        }

    def count(self, name: str, amount: int = 1, **labels: str) -> None:
        """Add to a counter, named without ``:tensorflow:serving:``."""
        with self._lock:
            points = self._scalars[_full(name)]
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
        """The page that Prometheus reads."""
        lines = []
        with self._lock:
            for name, kind in sorted(_KINDS.items()):
                lines.append(f"# TYPE {name} {kind}")
                for key, value in self._scalars.get(name, {}).items():
                    lines.append(f"{name}{{{_label_text(key)}}} {value}")
                for key, histogram in self._histograms.get(name, {}).items():
                    lines += histogram.lines(name, _label_text(key))
        return ("\n".join(lines) + "\n").encode("utf-8", "replace")


def _full(name: str) -> str:
    return name if name.startswith(":") else _SERVING + name


def _label_text(labels: Labels) -> str:
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in labels)


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')
