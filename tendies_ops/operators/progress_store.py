"""The progress of a running task, on its Storage tab."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from airflow.sdk import Context

from tendies_ops.bounded_work import LatestValue

if TYPE_CHECKING:
    from tendies_ops.inference import BatchProgress


class ProgressStore:
    """
    Show progress on the task's Storage tab, which refreshes while the task runs, and over REST.

    It survives retries and clears; the ledger next to the outputs has what a run has done. The fingerprint identifies
    the input, output, model and options of the numbers. A thread of its own sends them, so that only the numbers on
    that tab are old while the API server is slow or unreachable.

    :param say: gets log lines.
    :param interval_s: seconds between two writes, each of which costs a request to the API server.
    :param log_interval_s: seconds between two lines in the log.
    """

    KEY = "progress"

    def __init__(
        self,
        context: Context,
        *,
        fingerprint: str,
        say: Callable[[str], object],
        interval_s: float = 2.0,
        log_interval_s: float = 10.0,
    ) -> None:
        store = context["task_state_store"]
        self._written: LatestValue[dict[str, Any]] = LatestValue(
            "Progress on the task's Storage tab", lambda value: store.set(self.KEY, value)
        )
        self._fingerprint = fingerprint
        self._interval_s = interval_s
        self._say = say
        self._log_interval_s = log_interval_s
        self._next_s = 0.0
        self._next_line_s = time.monotonic() + log_interval_s

    def record(self, progress: BatchProgress) -> None:
        """Send the progress, if the last time is long enough ago."""
        now_s = time.monotonic()
        if now_s < self._next_s and progress.state != "finished":
            return
        self._next_s = now_s + self._interval_s
        self._written.put({**progress.as_dict(), "fingerprint": self._fingerprint})
        if now_s >= self._next_line_s:
            self._next_line_s = now_s + self._log_interval_s
            self._say(progress.in_words())

    def close(self, limit_s: float = 5.0) -> None:
        """Wait until the last numbers are sent, for up to ``limit_s`` seconds."""
        self._written.close(limit_s)
