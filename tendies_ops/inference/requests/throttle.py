"""Hold a run's requests back: outside its hours of the day, and beyond its pictures a second."""

from __future__ import annotations

from datetime import datetime

from tendies_ops.spec.hours import parse_hours

_BURST_S = 1.0  # what a run may catch up with when the servers were slow for a moment


class Throttle:
    """
    Decide for one run. The clocks are arguments.

    :param max_rate: pictures a second; None: as fast as the servers are.
    :param hours: such as ``22:00-06:00 Europe/Berlin``; None: all day.
    """

    def __init__(self, max_rate: float | None, hours: str | None) -> None:
        self.waiting_for = ""  #: why no request is sent for hours
        self._max_rate = max_rate
        self._hours = parse_hours(hours) if hours else None
        self._next_s = 0.0  # when everything that was sent has had its time

    def may_send(self, now_s: float, moment: datetime) -> bool:
        """Return True if another request may be sent now."""
        if self._hours is not None and not self._hours.contain(moment):
            self.waiting_for = f"It is outside the hours of this batch ({self._hours}); it goes on when they begin."
            return False
        self.waiting_for = ""
        return now_s >= self._next_s

    def on_sent(self, pictures: int, now_s: float) -> None:
        """Note a request."""
        if self._max_rate is not None:
            self._next_s = max(self._next_s or now_s, now_s - _BURST_S) + pictures / self._max_rate
