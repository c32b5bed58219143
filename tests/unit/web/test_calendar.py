"""The calendar of partitions: groups, blanks before the first day, and how much of the disk is read for it."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from tendies_ops.inference.ledger.ledger import read_record
from tendies_ops.partitions import partition_states
from tendies_ops.web.run import find_runs
from tendies_ops.web.sources.known import KnownModel, locate_by_spec
from tendies_ops.web.views.calendar import draw_calendar
from tests.support.partitioned import made_partitions, make_partition, partitioned_spec

NOW = datetime(2026, 6, 3, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("every", "start", "groups"),
    [
        ("day", "2026-05-31", [("2026-05", 6, ["31"]), ("2026-06", 0, ["01", "02"])]),  # a Sunday, a Monday
        ("hour", "2026-06-02", [("2026-06-02", 0, [f"{hour:02d}" for hour in range(24)])]),
        ("week", "2026-05-20", [("2026", 0, ["05-18", "05-25"])]),
        ("month", "2026-04-01", [("2026", 0, ["04", "05"])]),
    ],
)
def test_periods_are_grouped_and_days_stand_under_their_weekday(
    tmp_path: Path, every: str, start: str, groups: list[tuple[str, int, list[str]]]
) -> None:
    found = draw_calendar(made_partitions(tmp_path, every=every, start=start), 1, shown=6, now=NOW)
    assert [(one.title, one.blanks, [cell.label for cell in one.cells]) for one in found.groups] == groups


def test_states_are_counted_and_earlier_groups_can_be_shown(tmp_path: Path) -> None:
    partitions = made_partitions(tmp_path, every="day", start="2026-05-30")
    make_partition(tmp_path, "2026-06-01")
    make_partition(tmp_path, "2026-06-02", version=2)
    newest = draw_calendar(partitions, 2, shown=1, now=NOW)
    assert (dict(newest.counts), newest.every, newest.ends) == (
        {"done": 1, "older": 1},
        2,
        ("2026-06-01", "2026-06-02"),
    )
    assert draw_calendar(partitions, 2, shown=1, earlier=1, now=NOW).ends == ("2026-05-30", "2026-05-31")


def test_36_months_read_each_ledger_once_and_none_a_second_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    partitions = made_partitions(tmp_path, every="day", start="2023-06-01")
    keys = partitions.due(NOW)
    for key in keys:
        make_partition(tmp_path, key)
    read: list[bytes] = []

    def count(line: bytes) -> dict[str, Any] | None:
        read.append(line)
        return read_record(line)

    monkeypatch.setattr(partition_states, "read_record", count)

    for _ in range(2):
        found = draw_calendar(partitions, 1, shown=36, now=NOW)
        assert len(found.groups) == 36
        assert len(read) == sum(len(group.cells) for group in found.groups)


def test_the_runs_of_each_partition_are_found_with_its_folders(tmp_path: Path) -> None:
    spec = partitioned_spec(tmp_path, every="day", start="2026-06-01")
    make_partition(tmp_path, "2026-06-01", run_id="first")
    make_partition(tmp_path, "2026-06-02", run_id="second")
    model = KnownModel(spec, locate_by_spec(spec))

    found = find_runs.find_run(model, "second")

    assert {run.run_id for run in find_runs.list_runs([model]).runs} == {"first", "second"}
    assert found is not None
    assert (found.usual_input, found.output) == (f"{tmp_path}/in/2026-06-02", tmp_path / "out" / "2026-06-02")
