"""The keys of partitions: which are over, ranges, changes of the clock, runs without a key."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest
from pydantic import ValidationError

from tendies_ops.errors import UsageError
from tests.support.partitioned import made_partitions


def at(*numbers: int) -> datetime:
    return datetime(*numbers, tzinfo=timezone.utc)  # type: ignore[misc,arg-type]  # year, month, day, and smaller


@pytest.mark.parametrize(
    ("every", "keys"),
    [
        ("hour", ["2026-06-03T00", "2026-06-03T01"]),
        ("day", ["2026-06-03", "2026-06-04"]),
        ("week", ["2026-06-01", "2026-06-08"]),  # the 3rd is a Wednesday
        ("month", ["2026-06", "2026-07"]),
    ],
)
def test_a_period_has_a_key_once_it_is_over(every: str, keys: list[str]) -> None:
    partitions = made_partitions(every=every, start="2026-06-03")
    first_end = partitions.first_end
    assert partitions.due(first_end.replace(year=2025)) == []
    assert partitions.due(first_end) == keys[:1]
    assert partitions.due(at(2027, 1, 1))[:2] == keys


def test_a_day_is_over_at_midnight_of_the_zone_whatever_the_clock_does() -> None:
    spring = made_partitions(every="day", start="2026-03-28", zone="Europe/Berlin")
    assert spring.due(at(2026, 3, 28, 23)) == ["2026-03-28"]
    assert spring.due(at(2026, 3, 29, 21, 59)) == ["2026-03-28"]
    assert spring.due(at(2026, 3, 29, 22)) == ["2026-03-28", "2026-03-29"]  # 23 hours later
    autumn = made_partitions(every="day", start="2026-10-25", zone="Europe/Berlin")
    assert autumn.due(at(2026, 10, 25, 22, 59)) == []
    assert autumn.due(at(2026, 10, 25, 23)) == ["2026-10-25"]


def test_no_two_hours_have_one_key_when_the_clock_is_put_back() -> None:
    keys = made_partitions(every="hour", start="2026-10-25", zone="Europe/Berlin").due(at(2026, 10, 26))
    assert len(set(keys)) == len(keys) == 24


def test_a_range_includes_both_its_ends_and_nothing_that_is_not_over() -> None:
    partitions = made_partitions(every="day", start="2026-06-01")
    now = at(2026, 6, 11)
    assert partitions.between("2026-06-08", "2026-06-09", now) == ["2026-06-08", "2026-06-09"]
    assert partitions.between("2026-06-09", None, now) == ["2026-06-09", "2026-06-10"]
    assert len(partitions.between(None, None, now)) == 10
    with pytest.raises(UsageError, match=r"no partition '2026-06-11' that is due; did you mean 2026-06-10\?"):
        partitions.between(None, "2026-06-11", now)


def test_a_run_without_a_key_takes_the_newest_or_names_the_keys() -> None:
    now = at(2026, 6, 4)
    newest = made_partitions(every="day", start="2026-06-01")
    assert newest.of_run(None, now) == "2026-06-03"
    assert newest.of_run("2026-06-02", now) == "2026-06-02"
    for settings, named in (
        ({"every": "day", "start": "2026-06-01", "without_key": "fail"}, "2026-06-03"),
        ({"keys": ["acme", "zoo"]}, "acme, zoo"),
    ):
        with pytest.raises(UsageError, match=f"has no partition key.*{named}"):
            made_partitions(**settings).of_run(None, now)
    with pytest.raises(UsageError, match="none is due yet"):
        newest.of_run(None, at(2026, 6, 1))


def test_the_folders_of_a_partition_are_those_of_the_templates() -> None:
    assert made_partitions("/data", keys=["acme"]).folders("acme") == ("/data/in/acme", "/data/out/acme")


@pytest.mark.parametrize("key", ["../acme", "a/b", "", ".hidden"])
def test_a_key_that_would_leave_its_folder_is_refused(key: str) -> None:
    with pytest.raises(ValidationError):
        made_partitions(keys=[key])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "give one"),
        ({"every": "day", "keys": ["a"], "start": "2026-06-01"}, "give one"),
        ({"every": "day"}, "need a `start`"),
        ({"keys": ["a"], "on_release": "newest"}, "String should match"),
    ],
)
def test_partitions_that_do_not_say_their_keys_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        made_partitions(**settings)
