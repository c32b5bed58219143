from __future__ import annotations

from datetime import datetime, timezone

import pytest
from pydantic import ValidationError

from tendies_ops.spec import ReleaseSpec
from tendies_ops.spec.idle_window import IdleWindow


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("text", "moment", "inside"),
    [
        ("02:00-04:00 UTC", "2026-11-22T02:00", True),
        ("02:00-04:00 UTC", "2026-11-22T03:59", True),
        ("02:00-04:00 UTC", "2026-11-22T04:00", False),
        ("02:00-04:00 Europe/Berlin", "2026-11-22T01:30", True),  # winter: an hour ahead
        ("02:00-04:00 Europe/Berlin", "2026-07-22T00:30", True),  # summer: two
        ("02:00-04:00 Europe/Berlin", "2026-07-22T02:30", False),
        ("23:00-01:30 UTC", "2026-11-22T23:30", True),
        ("23:00-01:30 UTC", "2026-11-22T01:00", True),
        ("23:00-01:30 UTC", "2026-11-22T12:00", False),
    ],
)
def test_a_window_is_by_the_clocks_of_its_place(text: str, moment: str, inside: bool) -> None:
    assert IdleWindow.parse(text).contains(utc(moment)) is inside


@pytest.mark.parametrize(
    ("moment", "begins"), [("2026-11-22T00:30", "2026-11-22T02:00"), ("2026-11-22T05:00", "2026-11-23T02:00")]
)
def test_it_begins_again_every_day(moment: str, begins: str) -> None:
    assert IdleWindow.parse("02:00-04:00 UTC").next_start(utc(moment)) == utc(begins)


@pytest.mark.parametrize(
    "text", ["at night", "2-4 UTC", "25:00-26:00 UTC", "02:00-02:00 UTC", "02:00-04:00 Mars/Olympus"]
)
def test_a_spec_with_something_else_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="idle_window"):
        ReleaseSpec(idle_window=text)
