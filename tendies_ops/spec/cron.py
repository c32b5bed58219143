"""Whether a text is a cron expression as Airflow reads it; told before a scheduler stumbles over it."""

from __future__ import annotations

import re

_PRESETS = ("@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@quarterly", "@yearly", "@annually")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
#: Name, least, greatest, names that may stand for numbers, and forms that this field alone has.
_FIELDS: tuple[tuple[str, int, int, tuple[str, ...], str], ...] = (
    ("minute", 0, 59, (), ""),
    ("hour", 0, 23, (), ""),
    ("day of the month", 1, 31, (), r"l|\d+w"),
    ("month", 1, 12, _MONTHS, ""),
    ("day of the week", 0, 7, _DAYS, r"l[0-7]|\w+#[1-5]"),
    ("second", 0, 59, (), ""),  # Airflow takes this one and the next as well
    ("year", 1970, 2099, (), ""),
)
_NEEDED = 5
_PART = re.compile(r"(?P<first>\*|\?|\w+)(?:-(?P<last>\w+))?(?:/(?P<step>\d+))?")


def require_cron(text: str) -> None:
    """
    Take five fields (minute, hour, day of the month, month, day of the week) or a name such as ``@daily``.

    :raises ValueError: it is something else; the wrong field is named.
    """
    if text in _PRESETS:
        return
    fields = text.lower().split()
    if not _NEEDED <= len(fields) <= len(_FIELDS):
        raise ValueError(
            f"{text!r} is no cron expression: it needs 5 fields (minute, hour, day of the month, month, day of the "
            f"week) or one of {', '.join(_PRESETS)}"
        )
    for field, (name, least, greatest, names, other_forms) in zip(fields, _FIELDS, strict=False):
        for part in field.split(","):
            if not _is_right(part, least, greatest, names) and not (other_forms and re.fullmatch(other_forms, part)):
                raise ValueError(f"{text!r} is no cron expression: {part!r} is no {name} ({least} to {greatest})")


def _is_right(part: str, least: int, greatest: int, names: tuple[str, ...]) -> bool:
    match = _PART.fullmatch(part)
    if match is None or match["step"] in ("0", "00") or (match["first"] in "*?" and match["last"]):
        return False
    ends = [end for end in (match["first"], match["last"]) if end not in (None, "*", "?")]
    return all(end in names or (end.isdecimal() and least <= int(end) <= greatest) for end in ends)
