"""Requests that are asked again with nothing else of the run in flight, so that an answer can be about nothing else."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field

from tendies_ops.inference.requests.packer import Request

_MANY = 32  # that wait are worth a quiet phase: all others have to come back first


@dataclass
class Doubts:
    """
    A queue that is emptied in quiet phases: one pass, one request after the other. The clock is an argument.

    What is still in doubt afterwards waits for the next phase, so that a hard case does not hold up the run.
    """

    quiet: bool = False  #: a phase is on: nothing else may be sent
    _waiting: deque[Request] = field(default_factory=deque)
    _left: int = 0  # of the phase
    _not_before_s: float = 0.0
    _random: random.Random = field(default_factory=random.Random)

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, request: Request, *, now_s: float, pause_s: float) -> None:
        """
        Take a request in.

        :param pause_s: before the next one is sent, at most: it is drawn, so that clients which take turns with the
            same questions do not stay in step.
        """
        self._waiting.append(request)
        self._not_before_s = now_s + self._random.uniform(0, pause_s)

    def padding(self) -> int:
        """Draw how many bytes of nothing to send behind a file."""
        return self._random.randrange(1, 1024)

    def begin(self, *, idle: bool, in_flight: int) -> None:
        """
        Begin a phase if it is worth it; end the one that is over.

        :param idle: nothing else is to be done.
        :param in_flight: requests of this run that are with a server.
        """
        if self._left <= 0 and in_flight == 0:
            self.quiet = False
        if not self.quiet and self._waiting and (idle or len(self._waiting) >= _MANY):
            self.quiet, self._left = True, len(self._waiting)

    def next(self, now_s: float) -> Request | None:
        """Give the next request of the phase, if its pause is over. The one before must have come back."""
        if self._left <= 0 or not self._waiting or now_s < self._not_before_s:
            return None
        self._left -= 1
        return self._waiting.popleft()

    def seconds_left(self, now_s: float) -> float:
        """Tell how long the pause still is."""
        return max(0.0, self._not_before_s - now_s)
