"""How far a running task is, where people look for it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow.sdk import Context

    from tendies_ops.inference import BatchProgress


class ProgressStore:
    """
    Shows progress on the task's Storage tab, which refreshes while the task runs, and over REST.

    It is for people, and survives retries and clears; what a run has done is in the ledger beside its outputs. The
    fingerprint says which input, output, model and options the numbers belong to.

    :param interval_s: seconds between two writes, each of which costs a request to the API server.
    """

    KEY = "progress"

    def __init__(self, context: Context, *, fingerprint: str, interval_s: float = 2.0) -> None:
        self._store = context["task_state_store"]
        self._fingerprint = fingerprint
        self._interval_s = interval_s
        self._next_s = 0.0

    def tell(self, progress: BatchProgress) -> None:
        """Write it, if the last time is long enough ago."""
        now_s = time.monotonic()
        if now_s < self._next_s and progress.state != "finished":
            return
        self._next_s = now_s + self._interval_s
        self._store.set(self.KEY, {**progress.as_dict(), "fingerprint": self._fingerprint})
