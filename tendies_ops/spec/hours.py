"""Hours of the day, such as those in which a batch may send requests."""

from __future__ import annotations

import difflib
import re
import zoneinfo
from dataclasses import dataclass
from datetime import datetime, time
from typing import Annotated

from pydantic import AfterValidator

_HOURS = re.compile(r"(\d{1,2})(?::(\d\d))?\s*-\s*(\d{1,2})(?::(\d\d))?(?:\s+(\S+))?")


@dataclass(frozen=True)
class Hours:
    """From one time of the day until before another one; past midnight if the second is the earlier one."""

    begin: time
    end: time
    zone: zoneinfo.ZoneInfo

    def __str__(self) -> str:
        return f"{self.begin:%H:%M}-{self.end:%H:%M} {self.zone.key}"

    def contain(self, moment: datetime) -> bool:
        """
        Return True if the moment is in them.

        :param moment: with a time zone.
        """
        now = moment.astimezone(self.zone).time()
        if self.begin < self.end:
            return self.begin <= now < self.end
        return now >= self.begin or now < self.end


def parse_hours(text: str) -> Hours:
    """
    Read such as ``22:00-06:00 Europe/Berlin`` or ``22-6``, which is in UTC.

    :raises ValueError: it is not like that, or there is no such time or time zone.
    """
    found = _HOURS.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} are not hours of the day, such as `22:00-06:00 Europe/Berlin`")
    begin, end = _time(found[1], found[2]), _time(found[3], found[4])
    if begin == end:
        raise ValueError(f"{text!r} begin when they end; leave them out for the whole day")
    return Hours(begin, end, zoneinfo.ZoneInfo(require_timezone(found[5] or "UTC")))


def require_timezone(name: str) -> str:
    """
    Return the name of a time zone.

    :raises ValueError: no time zone has that name.
    """
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        nearest = difflib.get_close_matches(name, zoneinfo.available_timezones(), n=1)
        hint = f"did you mean {nearest[0]}?" if nearest else "use a name such as Europe/Berlin or UTC"
        raise ValueError(f"there is no such time zone; {hint}") from None
    return name


def _time(hour: str, minute: str | None) -> time:
    if hour == "24" and not int(minute or 0):
        return time(0)
    try:
        return time(int(hour), int(minute or 0))
    except ValueError:
        raise ValueError(f"there is no time {hour}:{minute or '00'}") from None


def _require_hours(text: str) -> str:
    return str(parse_hours(text))


HoursOfDay = Annotated[str, AfterValidator(_require_hours)]
