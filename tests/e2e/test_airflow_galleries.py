"""Galleries of the worst pictures, opened on a live Airflow: its own routes answer as if no one had opened them."""

from __future__ import annotations

import statistics
import time

import psutil
import pytest

from tests.support import galleries
from tests.support.airflow import LiveAirflow
from tests.support.scan_bombs import scan_bomb
from tests.support.web_world import MODEL, WebWorld, add_run

PICTURES = 48  # of one page
NOISE_MS = 40.0  # what a busy machine of two cores adds to the slowest of a hundred answers


@pytest.fixture(scope="module")
def gallery(live_airflow: LiveAirflow, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A page of pictures with 64 megapixels: most have 3,000 scans, every eighth as many as are let through."""
    root = tmp_path_factory.mktemp("galleries")
    world = WebWorld(root, live_airflow.home / "specs", root / "models", root / "pictures", root / "results")
    for folder in (world.base_path, world.input, world.output):
        folder.mkdir()
    live_airflow.add_spec(
        {
            "model_name": MODEL,
            "source": {"checkpoint": "model.keras"},
            "release": {"model_base_path": str(world.base_path)},
            "batch": {"input": str(world.input), "output": str(world.output)},
        }
    )
    add_run(world, "worst", done=PICTURES, failed=0)
    refused, slow = scan_bomb(3000), scan_bomb(90)
    for number, path in enumerate(sorted(world.input.rglob("*.jpg"))):
        path.write_bytes(slow if number % 8 == 0 else refused)
    return f"{live_airflow.url}/tendies/runs/{MODEL}/worst"


def test_a_few_users_with_galleries_of_scan_bombs_do_not_slow_airflow_down(
    live_airflow: LiveAirflow, gallery: str
) -> None:
    check_latency(live_airflow, "open", gallery, 4)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_fifty_users_with_galleries_of_scan_bombs_do_not_slow_airflow_down(
    live_airflow: LiveAirflow, gallery: str
) -> None:
    check_latency(live_airflow, "open", gallery, 50)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_thousand_views_one_after_the_other_do_not_slow_airflow_down(live_airflow: LiveAirflow, gallery: str) -> None:
    check_latency(live_airflow, "view", gallery, 1000)


def check_latency(live: LiveAirflow, what: str, gallery: str, number: int) -> None:
    """Hold how fast Airflow tells its version while the pages are used against how fast it does while no one is."""
    address = f"{live.url}/api/v2/version"
    watching = galleries.start("watch", address)
    time.sleep(8)
    idle = galleries.answer_of(watching)
    before_mb = memory_mb(live)

    watching = galleries.start("watch", address)
    statuses = galleries.answer_of(galleries.start(what, gallery, live.token("viewer"), number))
    busy = galleries.answer_of(watching)
    after_mb = memory_mb(live)
    idle_ms, busy_ms = galleries.p99_ms(idle), galleries.p99_ms(busy)
    found = (
        f"{what} {number}: {statuses}; /version p50 {statistics.median(idle):.1f} -> {statistics.median(busy):.1f} ms, "
        f"p99 {idle_ms:.1f} -> {busy_ms:.1f} ms, worst {max(idle):.0f} -> {max(busy):.0f} ms of {len(busy)}; "
        f"memory {before_mb:.0f} -> {after_mb:.0f} MB"
    )
    print(found)
    assert set(statuses) <= {"200", "415", "503"}, found
    assert busy_ms <= 2 * idle_ms + NOISE_MS, found
    assert after_mb - before_mb < 400, found


def memory_mb(live: LiveAirflow) -> float:
    """Of the API server and the processes that draw for it."""
    found = [psutil.Process(pid) for pid in live.children("api", "server")]
    every = {child for process in found for child in [process, *process.children(recursive=True)]}
    return sum(process.memory_info().rss for process in every if process.is_running()) / 1e6
