"""Threads that do what blocks: reading, decoding, asking the server, writing."""

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

    Unlike an executor's they are never joined: a stopped run ends at once, and an answer that comes later is dropped.
    """

    def __init__(self, count: int, events: queue.SimpleQueue[Any], name: str) -> None:
        self._tasks: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        self._events = events
        self._count = count
        for number in range(count):
            threading.Thread(target=self._work, daemon=True, name=f"tendies-{name}-{number}").start()

    def submit(self, task: Task) -> None:
        """Do ``task`` soon."""
        self._tasks.put(task)

    def stop(self) -> None:
        """Let each thread end after the task it is at."""
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
    Lets threads do short work one after the other, and longer work side by side.

    Each file that is opened, read, hashed or written lets another thread have the interpreter, and getting it back
    takes longer than the work itself: several threads at once need twice the CPU of one. That turns around where a
    picture is decoded, or the disk is slow.

    :param together: nothing is done in turns: there is waiting in it that should be done at once.
    """

    def __init__(self, *, together: bool = False) -> None:
        self._lock = threading.Lock()
        self._together = together
        self._file_s: dict[str, float] = {}  # kind of work -> what a file took the last time

    def take(self, kind: str, files: int, work: Callable[[], Made]) -> Made:
        """
        Do some work.

        :param kind: what is done to each file.
        :param files: how many it is done to.
        """
        short = not self._together and self._file_s.get(kind, 0.0) < _SHORT_S
        with self._lock if short else contextlib.nullcontext():
            started_s = time.perf_counter()
            made = work()
            self._file_s[kind] = (time.perf_counter() - started_s) / max(1, files)
        return made
