"""Hours of the day: how they are written, and which moments are in them."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from tendies_ops.errors import UsageError
from tendies_ops.inference import BatchOptions
from tendies_ops.spec import BatchSettings
from tendies_ops.spec.hours import parse_hours


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("22-6", "22:00-06:00 UTC"),
        ("22:30 - 6:15 Europe/Berlin", "22:30-06:15 Europe/Berlin"),
        ("0-24:00", None),
        ("18:00-24:00", "18:00-00:00 UTC"),
    ],
)
def test_hours_may_be_written_short_and_are_kept_in_full(written: str, kept: str | None) -> None:
    if kept is None:
        with pytest.raises(ValueError, match="leave them out for the whole day"):
            parse_hours(written)
    else:
        assert BatchSettings.model_validate({"hours": written}).hours == kept


@pytest.mark.parametrize(
    ("moment", "inside"),
    [("2026-01-10T20:59", False), ("2026-01-10T21:00", True), ("2026-01-11T04:59", True), ("2026-01-11T05:00", False)],
)
def test_hours_past_midnight_are_those_of_their_time_zone(moment: str, inside: bool) -> None:
    assert parse_hours("22:00-06:00 Europe/Berlin").contain(at(moment)) is inside


def test_hours_follow_the_clock_on_the_wall_in_summer() -> None:
    assert parse_hours("22:00-06:00 Europe/Berlin").contain(at("2026-07-10T20:00"))


def test_hours_of_one_day_end_before_their_end() -> None:
    hours = parse_hours("9-17")
    assert [hours.contain(at(f"2026-01-10T{time}")) for time in ("08:59", "09:00", "16:59", "17:00")] == [
        False,
        True,
        True,
        False,
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("at night", "such as `22:00-06:00 Europe/Berlin`"),
        ("22:00-25:00", "there is no time 25:00"),
        ("22:75-6", "there is no time 22:75"),
        ("22-6 Europe/Berlni", "did you mean Europe/Berlin?"),
        ("6-6", "leave them out for the whole day"),
    ],
)
def test_hours_that_make_no_sense_are_refused_and_named(text: str, words: str) -> None:
    with pytest.raises(UsageError, match="hours") as refused:
        BatchOptions(input="i", output="o", model_name="m", servers=("http://h:1",), hours=text)
    assert words in str(refused.value)
