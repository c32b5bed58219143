"""One batch as several runs side by side: disjoint, counted once, resumed, merged."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bench.simulation import makespan
from tendies_ops.errors import BatchError, LockHeldError, UsageError
from tendies_ops.inference.listing.shares import belongs_to_shard, shard_shares
from tendies_ops.inference.several_runs.sharded_run import (
    ShardPlan,
    _samples,
    finish_shards,
    merge_shard_ledgers,
    plan_shards,
)
from tendies_ops.inference.storage.local import LocalOutput
from tests.support.batch_bench import Bench
from tests.support.sample_pictures import png

SHARDS = 3


def fill(bench: Bench, count: int = 30) -> None:
    for seed in range(count):
        bench.add(f"{seed:03d}.png", png(seed))


def run_shards(bench: Bench, count: int = SHARDS) -> list[dict[str, object]]:
    with ThreadPoolExecutor(count) as pool:
        runs = [
            pool.submit(bench.run, shard=(index, count), allow_empty=True, run_id=f"shard-{index}")
            for index in range(count)
        ]
        return [run.result().summary() for run in runs]


def test_every_picture_belongs_to_one_shard_and_the_shards_are_about_even() -> None:
    paths = [f"folder/{number}.jpg" for number in range(3000)]

    sizes = [sum(belongs_to_shard(path, index, 4) for path in paths) for index in range(4)]

    assert sum(sizes) == len(paths)
    assert min(sizes) > 600


def test_of_more_shards_than_run_at_a_time_the_later_ones_are_smaller_and_none_is_lost() -> None:
    paths = [f"folder/{number}.jpg" for number in range(3000)]

    sizes = [sum(belongs_to_shard(path, index, 16, 4) for path in paths) for index in range(16)]

    assert sum(sizes) == len(paths)
    assert sizes[0] > 5 * sizes[-1]
    assert sum(shard_shares(16, 4)) == pytest.approx(1.0)


@pytest.mark.parametrize("slots", [2, 4, 16])
def test_one_slow_worker_does_not_hold_the_run(slots: int) -> None:
    """A worker that takes three times as long, against the best that its help could make of it."""
    seconds_each = [30.0, *[10.0] * (slots - 1)]
    best = 1 / sum(1 / seconds for seconds in seconds_each)

    assert makespan(shard_shares(6 * slots, slots), seconds_each) < 1.125 * best
    assert makespan(shard_shares(slots, slots), seconds_each) > 1.9 * best


def test_shards_side_by_side_do_every_picture_once(bench: Bench) -> None:
    fill(bench)

    summaries = run_shards(bench)
    report = finish_shards(bench.options(run_id="whole"), ShardPlan(1, 30, 1, SHARDS), summaries)

    assert (report.total, report.done, report.failed, report.ok) == (30, 30, 0, True)
    assert sorted(bench.newest_records()) == [f"{seed:03d}.png" for seed in range(30)]
    assert len(bench.records()) == 30
    assert len(bench.outputs()) == 30
    assert list((bench.output / ".tendies").glob("ledger.shard-*")) == []
    assert json.loads(Path(report.paths["report"]).read_text())["done"] == 30


def test_a_run_after_the_shards_finds_everything_done(bench: Bench) -> None:
    fill(bench)
    run_shards(bench)  # killed before anybody merged

    assert bench.run().skipped == 30
    assert merge_shard_ledgers(bench.output / ".tendies") == 0


def test_shards_skip_what_was_done_before(bench: Bench) -> None:
    fill(bench)
    bench.run()

    assert [summary["done"] for summary in run_shards(bench)] == [0, 0, 0]


def test_a_shard_that_runs_again_goes_on_from_its_own_ledger(bench: Bench) -> None:
    fill(bench)
    first = bench.run(shard=(0, SHARDS))
    again = bench.run(shard=(0, SHARDS))

    assert first.done > 0
    assert (again.done, again.skipped) == (0, first.done)


def test_a_line_that_a_killed_shard_tore_is_passed_over_by_the_merge(bench: Bench) -> None:
    fill(bench)
    first = bench.run(shard=(0, SHARDS))
    ledger = next((bench.output / ".tendies").glob("ledger.shard-*"))
    with ledger.open("ab") as stream:
        stream.write(b'{"input": "0')
    bench.run(shard=(0, SHARDS))  # ends the torn line before it writes more

    assert b'"0\n' in ledger.read_bytes()
    assert merge_shard_ledgers(bench.output / ".tendies") == 1
    assert bench.run().skipped == first.done


def test_a_torn_line_of_an_earlier_run_does_not_keep_the_samples_from_the_report(bench: Bench) -> None:
    fill(bench)
    first = bench.run()
    with (bench.output / ".tendies" / "ledger.jsonl").open("ab") as stream:
        stream.write(b'{"input": "0\n')

    assert _samples(bench.output / ".tendies") != []
    assert first.done == 30


def test_a_missing_shard_makes_the_batch_red_and_keeps_what_the_others_did(bench: Bench) -> None:
    fill(bench)
    summaries = run_shards(bench)[:2]

    with pytest.raises(BatchError, match="2 of 3 shards have ended"):
        finish_shards(bench.options(), ShardPlan(1, 30, 1, SHARDS), summaries)

    assert bench.run().skipped == 30


def test_failures_are_counted_and_named_over_all_shards(bench: Bench) -> None:
    fill(bench, 10)
    for number in range(4):
        bench.add(f"bad{number}.png", b"\x89PNG\r\n\x1a\nbroken")

    report = finish_shards(bench.options(max_failed=3), ShardPlan(1, 14, 1, SHARDS), run_shards(bench))

    assert (report.done, report.failed, report.ok) == (10, 4, False)
    assert sorted(failure.input for failure in report.failures) == [f"bad{number}.png" for number in range(4)]


def test_a_whole_run_keeps_shards_out_and_shards_keep_a_whole_run_out(bench: Bench) -> None:
    fill(bench, 1)
    output = LocalOutput(bench.output)

    with output.locked(), pytest.raises(LockHeldError):
        bench.run(shard=(0, 2))
    with output.locked((0, 2)):
        bench.run(shard=(1, 2), allow_empty=True)
        with pytest.raises(LockHeldError):
            bench.run()
        with pytest.raises(LockHeldError):
            bench.run(shard=(0, 2))


def test_a_small_folder_is_not_split_and_a_large_one_never_beyond_the_limit(bench: Bench) -> None:
    fill(bench, 20)

    assert plan_shards(bench.options(), max_shards=8).shards == 1
    assert plan_shards(bench.options(), max_shards=8, pictures_per_shard=5).shards == 4
    assert plan_shards(bench.options(), max_shards=8, bytes_per_shard=1).shards == 20
    assert plan_shards(bench.options(), max_shards=2, bytes_per_shard=1).shards == 12
    assert plan_shards(bench.options(), max_shards=8).pictures == 20


@pytest.mark.parametrize("shard", [(2, 2), (-1, 2), (0, 0)])
def test_a_shard_that_cannot_be_is_refused(bench: Bench, shard: tuple[int, int]) -> None:
    with pytest.raises(UsageError, match="there is no shard"):
        bench.options(shard=shard)
