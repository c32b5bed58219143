"""Threads for blocking work: reading, decoding, requests, writing."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

Made = TypeVar("Made")
Task = Callable[[], Any]

_SHORT_S = 5e-4  # of work on one file


class Workers:
    """
    Daemon threads that put each task's result, or its error, into ``events``.

    Unlike an executor's they are never joined: a stopped run ends at once, and later answers are dropped.
    """

    def __init__(self, count: int, events: queue.SimpleQueue[Any], name: str) -> None:
        self._tasks: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        self._events = events
        self._count = count
        for number in range(count):
            threading.Thread(target=self._work, daemon=True, name=f"tendies-{name}-{number}").start()

    def submit(self, task: Task) -> None:
        """Queue ``task``."""
        self._tasks.put(task)

    def stop(self) -> None:
        """Let each thread end after its current task."""
        for _ in range(self._count):
            self._tasks.put(None)

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            try:
                self._events.put(task())
            except BaseException as error:  # noqa: PERF203 # the run's own thread raises it
                self._events.put(error)


class Turns:
    """
    Serialise short work of several threads, and let longer work run in parallel.

    Each file that is opened, read, hashed or written releases the interpreter, and acquiring it again takes longer than
    the work itself: several threads at once need twice the CPU of one. That is reversed if a picture is decoded, or the
    disk is slow.

    :param together: never serialise, because the work is mostly waiting.
    """

    def __init__(self, *, together: bool = False) -> None:
        self._lock = threading.Lock()
        self._together = together
        self._file_s: dict[str, float] = {}  # kind of work -> seconds for a file the last time

    def take(self, kind: str, files: int, work: Callable[[], Made]) -> Made:
        """
        Do some work, and return its result.

        :param kind: name of the work on each file.
        :param files: number of files.
        """
        short = not self._together and self._file_s.get(kind, 0.0) < _SHORT_S
        with self._lock if short else contextlib.nullcontext():
            started_s = time.perf_counter()
            made = work()
            self._file_s[kind] = (time.perf_counter() - started_s) / max(1, files)
        return made
