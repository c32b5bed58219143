"""Cron expressions as Airflow reads them, checked before a scheduler fails on them."""

from __future__ import annotations

#: Airflow's own names; ``airflow.utils.dates.cron_presets``.
_PRESETS = ("@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@quarterly", "@yearly", "@annually")
_NEEDED = 5
_FIELDS = ("minute", "hour", "day of the month", "month", "day of the week", "second", "year")


def require_cron(text: str) -> None:
    """
    Accept five fields (minute, hour, day of the month, month, day of the week) or a name such as ``@daily``.

    croniter reads the fields, as in Airflow; it accepts seconds and a year after them as well.

    :raises ValueError: it is not a cron expression; the wrong field is named.
    """
    if text in _PRESETS:
        return
    fields = text.split()
    if not _NEEDED <= len(fields) <= len(_FIELDS):
        raise ValueError(
            f"{text!r} is not a cron expression: it needs 5 fields (minute, hour, day of the month, month, day of the "
            f"week) or one of {', '.join(_PRESETS)}"
        )
    for index, field in enumerate(fields):
        _require_field(text, fields, index, field)
    _expand(text, text)


def _require_field(text: str, fields: list[str], index: int, field: str) -> None:
    """Check one field by itself, because croniter does not report which one is wrong."""
    from croniter import croniter

    least, greatest = croniter.RANGES[index]
    alone = [field if place == index else "*" for place in range(len(fields))]
    _expand(text, " ".join(alone), f"{field!r} is not a valid {_FIELDS[index]} ({least} to {greatest})")


def _expand(text: str, expression: str, problem: str = "") -> None:
    from croniter import CroniterBadCronError, croniter  # takes longer to import than most commands need

    try:
        croniter.expand(expression)
    except CroniterBadCronError as error:
        raise ValueError(f"{text!r} is not a cron expression: {problem or error}") from None
