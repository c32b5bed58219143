"""A batch in shards, while it runs and after."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tendies_ops.web.ledger.ledger_index import LedgerIndexes
from tendies_ops.web.ledger.ledger_places import Query
from tendies_ops.web.run.batch_run import Run
from tendies_ops.web.run.find_runs import find_run, runs_of_task
from tendies_ops.web.run.shard_progress import Shards, shards_of
from tendies_ops.web.sources.known import Catalogues, KnownModel
from tests.support.web_world import WebWorld, add_run, make_world, write_progress

DAG, DAG_RUN = "tendies_batch_brush", "manual__2026-11-22T03:00:00.5+00:00"


@pytest.fixture
def world(tmp_path: Path) -> WebWorld:
    return make_world(tmp_path)


def model_of(world: WebWorld) -> KnownModel:
    model = Catalogues(world.specs_dir).read().get("brush")
    assert model is not None
    return model


def add_shard(
    world: WebWorld, number: int, *, attempt: int = 1, done: int = 3, failed: int = 0, total: int = 10
) -> str:
    """A shard that runs: its progress, and a ledger of its own."""
    run_id = f"{DAG}.{DAG_RUN}.batch.infer.{number}.{attempt}"
    add_run(world, run_id, done=done, failed=failed, draw=False, ended=False)
    directory = world.output / ".tendies" / "runs" / run_id
    write_progress(directory, run_id, version=1, done=done, failed=failed, skipped=0, total=10)
    world.ledger.rename(world.ledger.with_name(f"ledger.shard-{number}-of-4.jsonl"))
    return run_id


def shards(world: WebWorld) -> Shards:
    found = shards_of(runs_of_task([model_of(world)], DAG, DAG_RUN))
    assert found is not None
    return found


def run_of(world: WebWorld, run_id: str) -> Run:
    run = find_run(model_of(world), run_id)
    assert run is not None
    return run


def test_running_shards_show_one_by_one_and_as_a_sum(world: WebWorld) -> None:
    add_shard(world, 0, done=3, failed=1)
    add_shard(world, 2, done=5)

    found = shards(world)

    assert [(part.title.split(", ")[1], part.done, part.total) for part in found.parts] == [
        ("shard 1", 3, 10),
        ("shard 3", 5, 10),
    ]
    whole = found.whole
    assert (whole.done, whole.failed, whole.total, whole.state) == (8, 1, 20, "running")
    assert whole.images_per_second == pytest.approx(2 * 14.2)
    assert whole.waits_because == "0 of 4 shards have ended"
    assert (found.planned, found.reported) == (4, False)
    assert "shard 1" in found.chart


def test_only_the_newest_try_of_a_shard_counts(world: WebWorld) -> None:
    first = add_shard(world, 0, done=3)
    an_hour_ago = time.time() - 3600
    for path in (
        world.output / ".tendies" / "runs" / first,
        world.output / ".tendies" / "runs" / first / "progress.json",
    ):
        os.utime(path, (an_hour_ago, an_hour_ago))
    add_shard(world, 0, attempt=2, done=7)

    found = shards(world)

    assert (len(found.parts), found.whole.done) == (1, 7)


def test_a_shard_s_gallery_fills_before_the_ledgers_are_merged(world: WebWorld, tmp_path: Path) -> None:
    run = run_of(world, add_shard(world, 1, done=3))
    index = LedgerIndexes(tmp_path / "cache").of(run.ledger)
    index.follow()

    assert run.ledger.name == "ledger.shard-1-of-4.jsonl"
    assert index.page(Query(run.ledger_ids), offset=0, limit=10).total == 3


def test_the_report_shows_the_pictures_of_all_shards(world: WebWorld, tmp_path: Path) -> None:
    for number in range(2):
        add_run(world, f"{DAG}.{DAG_RUN}.batch.infer.{number}.1", done=4 + number, failed=0, draw=False)
    add_run(world, f"{DAG}.other.batch.infer.0.1", done=9, failed=0, draw=False)
    add_run(world, f"{DAG}.{DAG_RUN}.batch.report.1", done=0, failed=0, skipped=9, draw=False)

    found = shards(world)
    index = LedgerIndexes(tmp_path / "cache").of(found.whole.ledger)
    index.follow()

    assert found.reported
    assert (found.whole.state, found.whole.skipped) == ("done", 9)
    assert index.page(Query(found.whole.ledger_ids), offset=0, limit=50).total == 9


def test_a_run_without_shards_is_none(world: WebWorld) -> None:
    add_run(world, f"{DAG}.{DAG_RUN}.infer.1", done=1, failed=0, draw=False)

    assert shards_of(runs_of_task([model_of(world)], DAG, DAG_RUN)) is None
