"""When a run that came to its end is a success: one rule, and the same answer wherever it is shown."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

import pytest

from tendies_ops.cli.batch import exit_status
from tendies_ops.errors import UsageError
from tendies_ops.inference import BatchOptions, describe_failures
from tendies_ops.inference.several_runs.sharded_run import ShardPlan, finish_shards
from tendies_ops.web.run.find_runs import _state
from tests.support.batch_bench import Bench, counts
from tests.support.sample_pictures import folder_of_pngs, png


def options(**changes: Any) -> BatchOptions:
    return BatchOptions(input="in", output="out", model_name="m", servers=("http://h:1",), **changes)


def damage(bench: Bench, count: int) -> None:
    for number in range(count):
        bench.add(f"damaged/{number:05}.png", png(1)[:60])


@pytest.mark.parametrize(
    ("max_failed", "total", "allowed"),
    [
        (None, 1501, 150),
        (None, 9, 1),
        (None, 1, 0),
        (None, 0, 0),
        (0, 1000, 0),
        (3, 1000, 3),
        (1, 1000, 1),
        (0.01, 99, 0),
        (0.29, 100, 29),
        (1000, 20, 19),
    ],
)
def test_failures_allowed_are_a_tenth_and_at_least_one_unless_a_count_or_a_share_is_given(
    max_failed: float | None, total: int, allowed: int
) -> None:
    assert options(max_failed=max_failed).failures_allowed(total) == allowed


def test_a_run_of_1501_pictures_of_which_1500_are_damaged_is_failed_everywhere(bench: Bench) -> None:
    damage(bench, 1500)
    bench.add("whole.png", png(2))

    report = bench.run()

    assert (report.ok, report.failures_allowed, counts(report)) == (False, 150, (1501, 1, 0, 1500))
    assert exit_status(report) == 1
    assert report.summary()["ok"] is False
    folder = bench.output / ".tendies" / "runs" / report.run_id
    written = json.loads((folder / "report.json").read_text())
    assert (written["ok"], written["done"], written["failed"]) == (False, 1, 1500)
    assert "too many pictures failed" in (folder / "report.html").read_text()
    assert "up to 150 may fail" in (folder / "report.html").read_text()
    assert _state("report.json", written, datetime.now(timezone.utc)) == "failed"


def test_a_run_with_no_more_failures_than_allowed_succeeds_with_status_3(bench: Bench) -> None:
    folder_of_pngs(bench.input, 18)
    damage(bench, 2)

    report = bench.run()

    assert (report.ok, report.failures_allowed, exit_status(report)) == (True, 2, 3)


def test_pictures_skipped_because_they_are_done_count_among_all(bench: Bench) -> None:
    folder_of_pngs(bench.input, 30)
    bench.run()
    damage(bench, 3)

    report = bench.run()

    assert (counts(report), report.ok) == ((33, 0, 30, 3), True)


def test_shards_are_judged_together_and_a_single_one_is_not(bench: Bench) -> None:
    folder_of_pngs(bench.input, 12)
    damage(bench, 3)

    runs = [bench.run(shard=(index, 2), allow_empty=True, run_id=f"shard-{index}") for index in range(2)]
    whole = finish_shards(bench.options(run_id="whole"), ShardPlan(1, 15, 1, 2), [run.summary() for run in runs])

    assert [run.ok for run in runs] == [None, None]
    assert (whole.ok, whole.failures_allowed, whole.failed) == (False, 1, 3)


def test_a_dry_run_is_not_judged_by_what_failed_before(bench: Bench) -> None:
    damage(bench, 3)
    bench.run()

    report = bench.run(dry_run=True)

    assert (report.ok, report.failed, exit_status(report)) == (None, 3, 3)


def test_the_sentence_about_failures_says_how_many_may(bench: Bench) -> None:
    folder_of_pngs(bench.input, 2)
    damage(bench, 2)

    assert describe_failures(bench.run().summary()) == (
        "2 of 4 pictures failed; up to 1 may fail (`max_failed`, by default a tenth and at least one)."
    )


@pytest.mark.parametrize("value", [float("inf"), float("nan"), -0.5])
def test_a_limit_that_is_not_a_number_of_pictures_is_refused(value: float) -> None:
    with pytest.raises(UsageError, match="max_failed"):
        options(max_failed=value)
