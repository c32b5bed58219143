"""Report the progress of a run to a callback and to ``progress.json``."""

from __future__ import annotations

import dataclasses
import time
from collections import deque
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Protocol

from tendies_ops.bounded_work import LatestValue
from tendies_ops.inference.ledger.ledger import RunStamp
from tendies_ops.inference.options import BatchOptions
from tendies_ops.inference.report.batch_report import BatchProgress
from tendies_ops.inference.report.run_files import RunFiles
from tendies_ops.inference.report.tally import Tally

_TELL_EVERY_S = 0.25
_WRITE_EVERY_S = 1.0
_RATE_OVER_S = 30.0
_POINTS_KEPT = 360
_LAST_WORD_S = 5.0  # a run that has ended waits this long for its last state to be written


class Watched(Protocol):
    """The source of the numbers."""

    tally: Tally

    @property
    def waiting_for(self) -> str: ...  # noqa: D102

    @property
    def in_flight(self) -> int: ...  # noqa: D102

    @property
    def concurrency(self) -> int: ...  # noqa: D102


class RateHistory:
    """Images per second over a run, as points for a chart; of a long run every second, fourth, eighth ... is kept."""

    def __init__(self) -> None:
        self.points: list[tuple[float, float]] = []  #: (seconds since the start, images per second)
        self._stride = 1
        self._seen = 0

    def append(self, point: tuple[float, float]) -> None:
        """Add the point of another second."""
        if self._seen % self._stride == 0:
            self.points.append(point)
        self._seen += 1
        if len(self.points) > _POINTS_KEPT:
            self.points = self.points[::2]
            self._stride *= 2


class ProgressReporter:
    """
    Report progress during a run. Call :meth:`tick` at any rate; it limits itself.

    The callback and ``progress.json`` have a thread each: if one raises or hangs, progress is lost and no picture.
    """

    def __init__(
        self,
        options: BatchOptions,
        stamp: RunStamp,
        watched: Watched,
        files: RunFiles,
        on_progress: Callable[[BatchProgress], None] | None,
    ) -> None:
        self._options, self._stamp, self._watched = options, stamp, watched
        self._file = LatestValue(f"{files.folder}/progress.json", files.write_progress)
        self._callback = LatestValue("Progress", on_progress) if on_progress is not None else None
        self._started_s = time.monotonic()
        self._started_at = datetime.now(timezone.utc).isoformat(timespec="seconds")
        self._told_s = self._written_s = 0.0
        self._history: deque[tuple[float, int, int]] = deque()  # seconds, done, pictures with an outcome
        self._rates = RateHistory()

    def tick(self) -> None:
        """Report, when it is time."""
        now_s = time.monotonic()
        if now_s - self._told_s < _TELL_EVERY_S:
            return
        self._told_s = now_s
        self._report(now_s, "waiting" if self._watched.waiting_for else "running")

    def finish(self) -> None:
        """Report the last state of a run that came to its end."""
        self._written_s = 0.0
        self._report(time.monotonic(), "finished")
        self._close()

    def stop(self, error: BaseException) -> None:
        """Report the last state of a run that did not."""
        self._write(dataclasses.replace(self._progress(time.monotonic(), "stopped"), message=str(error)))
        self._close()

    def _close(self) -> None:
        deadline_s = time.monotonic() + _LAST_WORD_S
        if self._callback is not None:
            self._callback.close(_LAST_WORD_S)
        self._file.close(max(0.0, deadline_s - time.monotonic()))

    def _report(self, now_s: float, state: str) -> None:
        progress = self._progress(now_s, state)
        if self._callback is not None:
            self._callback.put(progress)
        if now_s - self._written_s >= _WRITE_EVERY_S:
            self._written_s = now_s
            self._rates.append((round(progress.elapsed_s, 1), progress.images_per_second))
            self._write(progress)

    def _write(self, progress: BatchProgress) -> None:
        rates = list(self._rates.points)
        started = {"started_at": self._started_at, "started_by": self._options.started_by}
        self._file.put({**progress.as_dict(), **started, "input": self._options.input, "rates": rates})

    def _progress(self, now_s: float, state: str) -> BatchProgress:
        tally = self._watched.tally
        done_rate, outcome_rate = self._rates_now(now_s)
        total = tally.total if state == "finished" else tally.expected
        left = None if total is None else max(0, total - tally.total)
        return BatchProgress(
            run_id=self._options.run_id,
            model_name=self._stamp.model_name,
            version=self._stamp.version,
            state=state,
            total=total,
            found=tally.found,
            done=tally.done,
            skipped=tally.skipped,
            failed=tally.failed,
            in_flight=self._watched.in_flight,
            concurrency=self._watched.concurrency,
            elapsed_s=round(now_s - self._started_s, 3),
            images_per_second=round(done_rate, 2),
            eta_s=round(left / outcome_rate, 1) if left is not None and outcome_rate > 0 else None,
            message=self._watched.waiting_for,
            parameters=self._options.run_parameters,
        )

    def _rates_now(self, now_s: float) -> tuple[float, float]:
        """Return the rates of done pictures and of outcomes over the last half minute, so that they follow changes."""
        tally = self._watched.tally
        self._history.append((now_s, tally.done, tally.total))
        while now_s - self._history[0][0] > _RATE_OVER_S and len(self._history) > 2:
            self._history.popleft()
        first_s, first_done, first_total = self._history[0]
        if now_s - first_s < _TELL_EVERY_S:
            first_s, first_done, first_total = self._started_s, 0, 0
        seconds = max(now_s - first_s, 1e-6)
        return (tally.done - first_done) / seconds, (tally.total - first_total) / seconds
