"""Decide how many requests a server gets at once, and how long it gets none after an error."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

_FIRST_LIMIT = 2  # while one is computed, the next is in transit
_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 10.0
_WORTH_IT = 1.05  # differences below 5 % are noise
_ROUNDS_BEFORE_ANOTHER_TRY = 20


@dataclass
class Pacer:
    """
    Decide for one server. The clock is an argument.

    Slow start: the number of requests in flight doubles while that makes the server faster, then grows by one, is
    reduced again if a step gained nothing, and is halved after each error.

    :param upper: upper limit on the requests in flight.
    """

    upper: int
    limit: int = _FIRST_LIMIT
    in_flight: int = 0
    not_before_s: float = 0.0
    _pause_s: float = 0.0
    _round_started_s: float | None = None
    _round_answers: int = 0
    _round_images: int = 0
    _best_rate: float = 0.0
    _proven_limit: int = 1  #: the limit of the best rate
    _doubling: bool = True
    _hold_rounds: int = 0
    _random: random.Random = field(default_factory=random.Random)

    def __post_init__(self) -> None:
        self.limit = min(self.limit, self.upper)

    def start_with(self, limit: int) -> None:
        """Begin with this many requests in flight, but not below the default."""
        self.limit = min(self.upper, max(_FIRST_LIMIT, limit))

    def may_send(self, now_s: float) -> bool:
        """Return True if another request may be sent now."""
        return self.in_flight < self.limit and now_s >= self.not_before_s

    def on_answer(self, images: int, now_s: float) -> None:
        """Note a good answer."""
        self._pause_s = 0.0
        self.not_before_s = 0.0
        if self._round_started_s is None:
            self._round_started_s = now_s
            return
        self._round_answers += 1
        self._round_images += images
        if self._round_answers >= max(4, 2 * self.limit):
            self._end_round(now_s)

    def on_trouble(self, now_s: float) -> None:
        """Note an error, or no answer."""
        self.limit = max(1, self.limit // 2)
        self._doubling = False
        self._hold_rounds = _ROUNDS_BEFORE_ANOTHER_TRY
        self._restart_round(None)
        if now_s >= self.not_before_s:  # several requests that fail together count once
            self._pause_s = min(_LONGEST_PAUSE_S, max(_FIRST_PAUSE_S, 2 * self._pause_s))
            self.not_before_s = now_s + self._pause_s * self._random.uniform(0.5, 1.0)

    def _end_round(self, now_s: float) -> None:
        started_s = self._round_started_s if self._round_started_s is not None else now_s
        rate = self._round_images / max(now_s - started_s, 1e-6)
        self._restart_round(now_s)
        if self._hold_rounds > 0:
            self._hold_rounds -= 1
            if self._hold_rounds == 0:  # the best limit may have changed: measure again, and try one more
                self._best_rate, self._proven_limit = rate, self.limit
                self.limit = min(self.upper, self.limit + 1)
        elif rate > self._best_rate * _WORTH_IT:
            self._best_rate, self._proven_limit = rate, self.limit
            self.limit = min(self.upper, self.limit * 2 if self._doubling else self.limit + 1)
        else:
            self.limit = min(self.limit, self._proven_limit)
            self._doubling = False
            self._hold_rounds = _ROUNDS_BEFORE_ANOTHER_TRY

    def _restart_round(self, started_s: float | None) -> None:
        self._round_started_s, self._round_answers, self._round_images = started_s, 0, 0
