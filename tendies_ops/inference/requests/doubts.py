"""Requests that are repeated with nothing else of the run in flight, so that the answer is about them alone."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field

from tendies_ops.inference.requests.packer import Request

_MANY = 32  # waiting requests that are worth a quiet phase: all others have to end first


@dataclass
class Doubts:
    """
    A queue that is emptied in quiet phases, one request after the other. The clock is an argument.

    Requests that are still in doubt wait for the next phase, so that a hard case does not delay the run.
    """

    quiet: bool = False  #: during a phase: nothing else may be sent
    _waiting: deque[Request] = field(default_factory=deque)
    _left: int = 0  # of the phase
    _not_before_s: float = 0.0
    _random: random.Random = field(default_factory=random.Random)

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, request: Request, *, now_s: float, pause_s: float) -> None:
        """
        Add a request.

        :param pause_s: upper limit on a random pause before the next one is sent, so that several clients with the same
            requests do not stay in step.
        """
        self._waiting.append(request)
        self._not_before_s = now_s + self._random.uniform(0, pause_s)

    def padding(self) -> int:
        """Return a random number of zero bytes to append to a file."""
        return self._random.randrange(1, 1024)

    def begin(self, *, idle: bool, in_flight: int) -> None:
        """
        Begin a phase if it is worth it; end the last one if it is over.

        :param idle: the run has nothing else to do.
        :param in_flight: number of requests of this run in flight.
        """
        if self._left <= 0 and in_flight == 0:
            self.quiet = False
        if not self.quiet and self._waiting and (idle or len(self._waiting) >= _MANY):
            self.quiet, self._left = True, len(self._waiting)

    def next(self, now_s: float) -> Request | None:
        """Return the next request of the phase, if its pause is over. The one before must have ended."""
        if self._left <= 0 or not self._waiting or now_s < self._not_before_s:
            return None
        self._left -= 1
        return self._waiting.popleft()

    def seconds_left(self, now_s: float) -> float:
        """Return the rest of the pause."""
        return max(0.0, self._not_before_s - now_s)
