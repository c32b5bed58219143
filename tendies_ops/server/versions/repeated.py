"""A function that is called periodically."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Repeated:
    """
    Calls a function in a thread of its own until it is stopped.

    :param wait_s: the wait before each call.
    """

    def __init__(self, call: Callable[[], None], *, wait_s: float, name: str) -> None:
        self._call = call
        self._wait_s = wait_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop, and wait for a call in progress."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(self._wait_s):
            self._call()
