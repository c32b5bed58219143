"""Whether a text is a cron expression as Airflow reads it; told before a scheduler stumbles over it."""

from __future__ import annotations

#: Airflow's own names; ``airflow.utils.dates.cron_presets``.
_PRESETS = ("@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@quarterly", "@yearly", "@annually")
_NEEDED = 5
_FIELDS = ("minute", "hour", "day of the month", "month", "day of the week", "second", "year")


def require_cron(text: str) -> None:
    """
    Take five fields (minute, hour, day of the month, month, day of the week) or a name such as ``@daily``.

    The fields are read by croniter, as in Airflow, which takes seconds and a year behind them as well.

    :raises ValueError: it is something else; the wrong field is named.
    """
    if text in _PRESETS:
        return
    fields = text.split()
    if not _NEEDED <= len(fields) <= len(_FIELDS):
        raise ValueError(
            f"{text!r} is no cron expression: it needs 5 fields (minute, hour, day of the month, month, day of the "
            f"week) or one of {', '.join(_PRESETS)}"
        )
    for index, field in enumerate(fields):
        _require_field(text, fields, index, field)
    _expand(text, text)


def _require_field(text: str, fields: list[str], index: int, field: str) -> None:
    """Read one field alone: croniter does not say which one it stumbled over."""
    from croniter import croniter

    least, greatest = croniter.RANGES[index]
    alone = [field if place == index else "*" for place in range(len(fields))]
    _expand(text, " ".join(alone), f"{field!r} is no {_FIELDS[index]} ({least} to {greatest})")


def _expand(text: str, expression: str, problem: str = "") -> None:
    from croniter import CroniterBadCronError, croniter  # takes longer to import than most commands need

    try:
        croniter.expand(expression)
    except CroniterBadCronError as error:
        raise ValueError(f"{text!r} is no cron expression: {problem or error}") from None
