"""How far a running task is, where people look for it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow.sdk import Context

    from tendies_ops.inference import BatchProgress


class ProgressStore:
    """
    Shows progress on the task's Storage tab, which refreshes while the task runs, and over REST.

    It is for people, and survives retries and clears; what a run has done is in the ledger beside its outputs. The
    fingerprint says which input, output, model and options the numbers belong to.

    :param say: gets a line now and then, for those who read logs.
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
        self._store = context["task_state_store"]
        self._fingerprint = fingerprint
        self._interval_s = interval_s
        self._say = say
        self._log_interval_s = log_interval_s
        self._next_s = 0.0
        self._next_line_s = time.monotonic() + log_interval_s

    def tell(self, progress: BatchProgress) -> None:
        """Write it, if the last time is long enough ago."""
        now_s = time.monotonic()
        if now_s < self._next_s and progress.state != "finished":
            return
        self._next_s = now_s + self._interval_s
        self._store.set(self.KEY, {**progress.as_dict(), "fingerprint": self._fingerprint})
        if now_s >= self._next_line_s:
            self._next_line_s = now_s + self._log_interval_s
            self._say(describe_progress(progress))


def describe_progress(progress: BatchProgress) -> str:
    """One line that says how far a run is."""
    total = "?" if progress.total is None else progress.total
    words = (
        f"{progress.done} done, {progress.skipped} skipped, {progress.failed} failed of {total}; "
        f"{progress.images_per_second:.1f} pictures a second"
    )
    if progress.eta_s is not None:
        words += f", about {progress.eta_s:.0f} s left"
    return f"{words}. {progress.message}".rstrip(" .") + "."
