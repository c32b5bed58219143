"""Telling how far a run is: to a callback, and to ``progress.json``."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

from tendies_ops.inference.ledger import RunStamp
from tendies_ops.inference.options import BatchOptions
from tendies_ops.inference.report import BatchProgress
from tendies_ops.inference.run_files import RunFiles
from tendies_ops.inference.tally import Tally

_TELL_EVERY_S = 0.25
_WRITE_EVERY_S = 1.0
_RATE_OVER_S = 30.0
_POINTS_KEPT = 360


class Watched(Protocol):
    """What is told about."""

    tally: Tally
    waiting_for: str

    @property
    def in_flight(self) -> int: ...  # noqa: D102

    @property
    def concurrency(self) -> int: ...  # noqa: D102


class RateHistory:
    """Images a second over a run, as points for a chart; of a long run every second, fourth, eighth ... is kept."""

    def __init__(self) -> None:
        self.points: list[tuple[float, float]] = []  #: (seconds since the start, images a second)
        self._stride = 1
        self._seen = 0

    def append(self, point: tuple[float, float]) -> None:
        """One more second."""
        if self._seen % self._stride == 0:
            self.points.append(point)
        self._seen += 1
        if len(self.points) > _POINTS_KEPT:
            self.points = self.points[::2]
            self._stride *= 2


class ProgressTeller:
    """Call :meth:`tick` as often as is convenient; it keeps its own pace."""

    def __init__(
        self,
        options: BatchOptions,
        stamp: RunStamp,
        watched: Watched,
        files: RunFiles,
        on_progress: Callable[[BatchProgress], None] | None,
    ) -> None:
        self.total: int | None = None  #: known once the folder has been counted
        self._options, self._stamp, self._watched = options, stamp, watched
        self._files, self._on_progress = files, on_progress
        self._started_s = time.monotonic()
        self._told_s = self._written_s = 0.0
        self._history: deque[tuple[float, int]] = deque()
        self._rates = RateHistory()

    def tick(self) -> None:
        """Tell, when it is time."""
        now_s = time.monotonic()
        if now_s - self._told_s < _TELL_EVERY_S:
            return
        self._told_s = now_s
        self._tell(now_s, "waiting" if self._watched.waiting_for else "running")

    def finish(self) -> None:
        """Tell the last state."""
        self.total = self._watched.tally.total
        self._written_s = 0.0
        self._tell(time.monotonic(), "finished")

    def _tell(self, now_s: float, state: str) -> None:
        progress = self._progress(now_s, state)
        if self._on_progress is not None:
            self._on_progress(progress)
        if now_s - self._written_s >= _WRITE_EVERY_S:
            self._written_s = now_s
            self._rates.append((round(progress.elapsed_s, 1), progress.images_per_second))
            self._files.write_progress(
                {**progress.as_dict(), "input": self._options.input, "rates": self._rates.points}
            )

    def _progress(self, now_s: float, state: str) -> BatchProgress:
        tally = self._watched.tally
        rate = self._rate(now_s, tally.done)
        left = None if self.total is None else max(0, self.total - tally.total)
        return BatchProgress(
            run_id=self._options.run_id,
            model_name=self._stamp.model_name,
            version=self._stamp.version,
            state=state,
            total=self.total,
            found=tally.found,
            done=tally.done,
            skipped=tally.skipped,
            failed=tally.failed,
            in_flight=self._watched.in_flight,
            concurrency=self._watched.concurrency,
            elapsed_s=round(now_s - self._started_s, 3),
            images_per_second=round(rate, 2),
            eta_s=round(left / rate, 1) if left is not None and rate > 0 else None,
            message=self._watched.waiting_for,
        )

    def _rate(self, now_s: float, done: int) -> float:
        """Over the last half minute, so that it follows a change."""
        self._history.append((now_s, done))
        while now_s - self._history[0][0] > _RATE_OVER_S and len(self._history) > 2:
            self._history.popleft()
        first_s, first_done = self._history[0]
        if now_s - first_s < _TELL_EVERY_S:
            first_s, first_done = self._started_s, 0
        return (done - first_done) / max(now_s - first_s, 1e-6)
