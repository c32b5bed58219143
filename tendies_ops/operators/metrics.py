"""The numbers that tasks send to Airflow's metrics (StatsD or OpenTelemetry, whatever it is told), tagged by model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow.sdk.observability import stats

#: Every metric of ours: name -> what it says. Airflow puts its own prefix before it.
METRICS = {
    "tendies.batch.done": "counter: pictures that were done",
    "tendies.batch.skipped": "counter: pictures that were done before",
    "tendies.batch.failed": "counter: pictures that failed",
    "tendies.batch.requests": "counter: requests to Model Server",
    "tendies.batch.retries": "counter: requests that were sent again",
    "tendies.batch.images_per_second": "gauge: done pictures a second, over the whole run",
    "tendies.batch.request_ms": "timing: mean of the run's answered requests",
    "tendies.release.released": "counter: releases that went through",
    "tendies.release.rolled_back": "counter: rollbacks that went through",
    "tendies.release.failed": "counter: releases and rollbacks that did not go through; tag `error` is the class",
    "tendies.release.swap_seconds": "gauge: from the rename to AVAILABLE on the slowest replica",
    "tendies.release.version": "gauge: the version that serves now",
}


def count_batch(summary: Mapping[str, Any]) -> None:
    """A batch run has ended."""
    tags = {"model": summary["model_name"]}
    for name in ("done", "skipped", "failed", "requests", "retries"):
        stats.incr(f"tendies.batch.{name}", int(summary[name]), tags=tags)
    stats.gauge("tendies.batch.images_per_second", summary["images_per_second"], tags=tags)
    stats.timing("tendies.batch.request_ms", summary["request_ms"], tags=tags)


def count_release(summary: Mapping[str, Any]) -> None:
    """A release or rollback has gone through."""
    tags = {"model": summary["model_name"]}
    name = "rolled_back" if summary["state"] == "rolled_back" else "released"
    stats.incr(f"tendies.release.{name}", tags=tags)
    stats.gauge("tendies.release.swap_seconds", summary["seconds_to_available"], tags=tags)
    stats.gauge("tendies.release.version", summary["version"], tags=tags)


def count_failed_release(model_name: str, error: Exception) -> None:
    """A release or rollback has not gone through."""
    stats.incr("tendies.release.failed", tags={"model": model_name, "error": type(error).__name__})
