"""The plan for very many pictures, on round figures."""

from __future__ import annotations

import pytest

from bench.results import PUBLISHED, read_rows
from bench.simulation import MODELS, SECONDS_A_MONTH, Measured, Plan, Prices, costs, makespan, stages

PLAN = Plan(pictures=SECONDS_A_MONTH * 100.0, images_per_core_s=10.0, shards=100)


def needed(plan: Plan, name: str, measured: Measured | None = None) -> float:
    return next(stage.needed for stage in stages(plan, measured or Measured()) if stage.name == name)


def test_a_hundred_pictures_a_second_at_ten_a_core_need_ten_cores() -> None:
    assert needed(PLAN, "Model Server") == pytest.approx(10.0)
    assert needed(PLAN, "workers", Measured(client_cpu_s=0.001)) == pytest.approx(0.1)
    half_days = Plan(PLAN.pictures, PLAN.images_per_core_s, hours_a_day=12.0)
    assert needed(half_days, "Model Server") == pytest.approx(20.0)


@pytest.mark.parametrize(
    ("model", "measured"),
    [
        ("almost nothing 64x64", "tendies serve, almost nothing, 64x64 PNG"),
        ("photo style 256x256", "tendies serve, photo style 256x256 JPEG"),
    ],
)
def test_the_plan_is_made_with_what_is_published(model: str, measured: str) -> None:
    rows = read_rows(PUBLISHED / "server_peers.json")
    [cpu_ms] = [row.value for row in rows if (row.what, row.unit) == (measured, "CPU ms/image")]
    assert pytest.approx(1000 / cpu_ms, rel=0.2) == MODELS[model]


def test_more_trees_make_each_listing_and_each_ledger_smaller() -> None:
    finer = Plan(PLAN.pictures, PLAN.images_per_core_s, trees_a_day=10 * PLAN.trees_a_day)
    assert needed(finer, "ledger") == pytest.approx(needed(PLAN, "ledger") / 10)
    assert needed(finer, "listing") < needed(PLAN, "listing")
    assert needed(finer, "scheduler") > needed(PLAN, "scheduler")


def test_what_is_paid_for_adds_up() -> None:
    paid = costs(PLAN, Measured(), Prices(core_hour=1.0, gigabyte_month=0.0, put_per_million=0.0, get_per_million=0.0))
    assert paid["Model Server's cores"] == pytest.approx(10 * 720)
    assert paid["traffic"] == 0.0


def test_a_worker_that_is_free_takes_the_next_shard() -> None:
    assert makespan([0.5, 0.25, 0.25], [10.0, 10.0]) == 5.0
    assert makespan([1.0], [10.0, 2.0]) == 10.0
