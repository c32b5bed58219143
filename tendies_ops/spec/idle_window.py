"""The hours of the day in which a model may be without service."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

_WINDOW = re.compile(r"(\d\d:\d\d)-(\d\d:\d\d) (\S+)")


@dataclass(frozen=True)
class IdleWindow:
    """From ``start`` to before ``end``, each day, by the clocks of one place; it may go over midnight."""

    start: time
    end: time
    zone: ZoneInfo

    @classmethod
    def parse(cls, text: str) -> IdleWindow:
        """
        Read ``02:00-04:00 Europe/Berlin``.

        :raises ValueError: it is something else, the window is empty, or no such time zone is known.
        """
        match = _WINDOW.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r} is no time window; write one as '02:00-04:00 Europe/Berlin'")
        start, end = time.fromisoformat(match[1]), time.fromisoformat(match[2])
        if start == end:
            raise ValueError(f"{text!r} is an empty time window")
        try:
            return cls(start, end, ZoneInfo(match[3]))
        except (KeyError, OSError, ValueError):  # which of them depends on what the name looks like
            raise ValueError(f"{text!r} names a time zone that is not known here") from None

    def contains(self, moment: datetime) -> bool:
        """Whether ``moment``, which knows its own time zone, is inside."""
        clock = moment.astimezone(self.zone).time()
        if self.start < self.end:
            return self.start <= clock < self.end
        return clock >= self.start or clock < self.end

    def next_start(self, moment: datetime) -> datetime:
        """The next time that it begins after ``moment``."""
        local = moment.astimezone(self.zone)
        today = datetime.combine(local.date(), self.start, self.zone)
        return today if today > local else today + timedelta(days=1)
