"""The metrics that tasks send to Airflow (StatsD or OpenTelemetry, as it is configured), tagged by model."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from airflow.sdk.observability import stats

#: Every metric: name -> description. Airflow adds its own prefix.
METRICS = {
    "tendies.batch.done": "counter: pictures that were done",
    "tendies.batch.skipped": "counter: pictures that were done before",
    "tendies.batch.failed": "counter: pictures that failed",
    "tendies.batch.requests": "counter: requests to Model Server",
    "tendies.batch.retries": "counter: requests that were sent again",
    "tendies.batch.images_per_second": "gauge: done pictures a second, over the whole run",
    "tendies.batch.request_ms": "timing: mean of the run's answered requests",
    "tendies.batch.version": "gauge: the version that the run used",
    "tendies.batch.red_tasks": "counter: batch tasks that failed; tag `error` is the class, tag `task` the task",
    "tendies.batch.last_success_timestamp": "gauge: when a batch was last green, in seconds since 1970",
    "tendies.release.released": "counter: releases that went through",
    "tendies.release.rolled_back": "counter: rollbacks that went through",
    "tendies.release.failed": "counter: releases and rollbacks that did not go through; tag `error` is the class",
    "tendies.release.swap_seconds": "gauge: from the rename to AVAILABLE on the slowest replica",
    "tendies.release.version": "gauge: the version that serves now",
    "tendies.release.last_success_timestamp": "gauge: when a release last went through, in seconds since 1970",
    "tendies.release.waiting_for_approval": "gauge: 1 while a candidate waits for approval, else 0",
}


def count_batch(summary: Mapping[str, Any], *, green: bool) -> None:
    """Count a batch run that has ended."""
    tags = {"model": summary["model_name"]}
    for name in ("done", "skipped", "failed", "requests", "retries"):
        stats.incr(f"tendies.batch.{name}", int(summary[name]), tags=tags)
    stats.gauge("tendies.batch.images_per_second", summary["images_per_second"], tags=tags)
    stats.timing("tendies.batch.request_ms", summary["request_ms"], tags=tags)
    stats.gauge("tendies.batch.version", summary["version"], tags=tags)
    if green:
        stats.gauge("tendies.batch.last_success_timestamp", int(time.time()), tags=tags)


def count_red_batch(model_name: str, task_id: str, error: Exception) -> None:
    """Count a failed task of a batch."""
    stats.incr("tendies.batch.red_tasks", tags={"model": model_name, "task": task_id, "error": type(error).__name__})


def count_release(summary: Mapping[str, Any]) -> None:
    """Count a release or rollback that has succeeded."""
    tags = {"model": summary["model_name"]}
    name = "rolled_back" if summary["state"] == "rolled_back" else "released"
    stats.incr(f"tendies.release.{name}", tags=tags)
    stats.gauge("tendies.release.swap_seconds", summary["seconds_to_available"], tags=tags)
    stats.gauge("tendies.release.version", summary["version"], tags=tags)
    if name == "released":
        stats.gauge("tendies.release.last_success_timestamp", int(time.time()), tags=tags)


def count_failed_release(model_name: str, error: Exception) -> None:
    """Count a release or rollback that has failed."""
    stats.incr("tendies.release.failed", tags={"model": model_name, "error": type(error).__name__})


def report_waiting(model_name: str, *, waits: bool) -> None:
    """Report that a candidate begins or ceases to wait for approval."""
    stats.gauge("tendies.release.waiting_for_approval", int(waits), tags={"model": model_name})
