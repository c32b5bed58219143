"""Threads that answer requests: the one that became idle last goes first, its memory is still in the caches."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue

log = logging.getLogger(__name__)

Job = Callable[[], None]


class Workers:
    """
    A pool of threads, started as they are needed.

    :param size: how many at most; what comes while all are busy waits in line.
    :param name: what the threads' names begin with.
    """

    def __init__(self, size: int, name: str) -> None:
        self._size = size
        self._name = name
        self._lock = threading.Lock()
        self._idle: list[SimpleQueue[Job | None]] = []
        self._waiting: deque[Job] = deque()
        self._threads: list[threading.Thread] = []

    def submit(self, job: Job) -> None:
        """Have a job done, now or when a thread is free."""
        with self._lock:
            if self._idle:
                self._idle.pop().put(job)
            elif len(self._threads) < self._size:
                self._start(job)
            else:
                self._waiting.append(job)

    def close(self) -> None:
        """End the threads; there must be no more jobs to come. Returns when the last is done."""
        with self._lock:
            self._size = 0
            idle, self._idle = self._idle, []
        for inbox in idle:
            inbox.put(None)
        for thread in self._threads:
            thread.join()

    def _start(self, job: Job) -> None:
        inbox: SimpleQueue[Job | None] = SimpleQueue()
        inbox.put(job)
        thread = threading.Thread(
            target=self._work, args=(inbox,), name=f"{self._name}_{len(self._threads)}", daemon=True
        )
        self._threads.append(thread)
        thread.start()

    def _work(self, inbox: SimpleQueue[Job | None]) -> None:
        job = inbox.get()
        while job is not None:
            try:
                job()
            except Exception:
                log.exception("A job ended unexpectedly.")
            job = self._next(inbox)

    def _next(self, inbox: SimpleQueue[Job | None]) -> Job | None:
        with self._lock:
            if self._waiting:
                return self._waiting.popleft()
            if not self._size:
                return None
            self._idle.append(inbox)
        return inbox.get()
