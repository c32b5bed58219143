"""A flag that a signal handler may set."""

from __future__ import annotations

import threading
import time

_SLICE_S = 0.05


class StopFlag(threading.Event):
    """
    An event whose ``set`` takes no lock.

    The handler of a signal (a command's Ctrl-C, a task's ``on_kill``) runs in the very thread that may be inside
    ``wait``. A plain event's ``set`` would then wait for a lock that its own thread holds, and never return.
    """

    def __init__(self) -> None:
        super().__init__()
        self._told = False

    def is_set(self) -> bool:
        """Return True once a stop was requested."""
        return self._told

    def set(self) -> None:
        """Ask to stop: one assignment."""
        self._told = True

    def clear(self) -> None:
        """Take it back."""
        self._told = False

    def wait(self, timeout: float | None = None) -> bool:
        """
        Wait until a stop is requested.

        :param timeout: seconds, at most.
        :return: True if one was.
        """
        deadline_s = None if timeout is None else time.monotonic() + timeout
        while not self._told:
            left_s = _SLICE_S if deadline_s is None else deadline_s - time.monotonic()
            if left_s <= 0:
                break
            time.sleep(min(_SLICE_S, left_s))
        return self._told
