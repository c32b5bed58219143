"""Threads that do what blocks: reading, decoding, asking the server, writing."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any

Task = Callable[[], Any]


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
