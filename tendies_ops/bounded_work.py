"""Bookkeeping next to the work: a thread of its own, a time limit, and no influence on how the work ends."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

Value = TypeVar("Value")
Warn = Callable[[str], object]

log = logging.getLogger(__name__)
_FIRST_PAUSE_S = 2.0
_LONGEST_PAUSE_S = 60.0


class LatestValue(Generic[Value]):
    """
    Deliver the newest value that was put, in a thread of its own.

    A value that is put while an older one waits replaces it. A delivery that raises is reported once and tried again
    with whatever is newest, after a pause that grows to a minute; a delivery that hangs holds up later deliveries and
    nothing else.

    :param what: what is delivered, as the subject of a warning.
    :param deliver: gets each value; never called by two threads at once.
    :param warn: gets one sentence when deliveries begin to fail, and one when they succeed again.
    """

    def __init__(self, what: str, deliver: Callable[[Value], object], *, warn: Warn = log.warning) -> None:
        self._what, self._deliver, self._warn = what, deliver, warn
        self._changed = threading.Condition()
        self._waiting: list[Value] = []  # one or none
        self._closing = False
        self._failures = 0
        self._quiet_until_s = 0.0
        self._thread: threading.Thread | None = None

    def put(self, value: Value) -> None:
        """Hand over a value without waiting for its delivery."""
        with self._changed:
            self._waiting = [value]
            self._changed.notify_all()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=f"bounded: {self._what}", daemon=True)
                self._thread.start()

    def close(self, limit_s: float) -> bool:
        """
        Wait until the last value has been delivered, for up to ``limit_s`` seconds.

        :return: False if the thread is still at work; it ends with the process.
        """
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread is None:
            return True
        self._thread.join(limit_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while found := self._take():
            self._attempt(found)

    def _attempt(self, found: list[Value]) -> None:
        try:
            self._deliver(found[0])
        except Exception as error:
            self._on_failure(found, error)
        else:
            self._on_success()

    def _take(self) -> list[Value]:
        """Wait for a value and for the end of a pause; an empty list means that there will be no more."""
        with self._changed:
            while not self._closing:
                pause_s = self._quiet_until_s - time.monotonic()
                if self._waiting and pause_s <= 0:
                    break
                self._changed.wait(pause_s if self._waiting else None)
            found, self._waiting = self._waiting, []
            return found

    def _on_failure(self, found: list[Value], error: Exception) -> None:
        self._failures += 1
        if self._failures == 1:
            self._warn(f"{self._what} could not be written; the work goes on. {type(error).__name__}: {error}")
        with self._changed:
            pause_s = min(_FIRST_PAUSE_S * 2 ** min(self._failures - 1, 10), _LONGEST_PAUSE_S)
            self._quiet_until_s = time.monotonic() + pause_s
            if not self._closing:
                self._waiting = self._waiting or found

    def _on_success(self) -> None:
        if self._failures:
            self._warn(f"{self._what} could be written again, after {self._failures} failed attempts.")
        self._failures = 0


def run_bounded(what: str, job: Callable[[], object], *, limit_s: float, warn: Warn = log.warning) -> bool:
    """
    Run a job in a thread of its own and wait for it, for up to ``limit_s`` seconds.

    :param what: what the job writes, as the subject of a warning.
    :param warn: gets one sentence if the job raised or did not end in time.
    :return: True if the job has ended without an error.
    """
    errors: list[Exception] = []

    def guarded() -> None:
        try:
            job()
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=guarded, name=f"bounded: {what}", daemon=True)
    thread.start()
    thread.join(limit_s)
    if thread.is_alive():
        warn(f"{what} could not be written within {limit_s:g} s; the task does not wait for it any longer.")
        return False
    for error in errors:
        warn(f"{what} could not be written, which changes nothing else. {type(error).__name__}: {error}")
    return not errors
