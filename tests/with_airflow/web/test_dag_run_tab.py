"""The tab of a DAG run, from before its first picture."""

from __future__ import annotations

import re

from tests.support.web_world import WebWorld, write_progress
from tests.with_airflow.web.clients import Clients

DAG_RUN = "manual__2026-11-22T05:00:00+00:00"
ADDRESS = f"/tendies/airflow/run?dag_id=tendies_batch_brush&run_id={DAG_RUN.replace('+', '%2B')}"


def test_a_tab_that_was_opened_too_early_loads_again_with_the_first_pictures(world: WebWorld, clients: Clients) -> None:
    viewer = clients["viewer"]
    early = viewer.get(ADDRESS).text
    assert "has not begun" in early
    (live,) = re.findall(r'data-refresh="([^"]+)"', early)
    live = live.replace("&amp;", "&")
    assert viewer.get(live).headers["X-Tendies-Live"] == "running"

    run_id = f"tendies_batch_brush.{DAG_RUN}.batch.infer.0.1"
    directory = world.output / ".tendies" / "runs" / run_id
    directory.mkdir(parents=True)
    write_progress(directory, run_id, version=2, done=3, failed=0, skipped=0, total=10)

    assert viewer.get(live).headers["X-Tendies-Live"] == "ended", "which makes the page load again"
    late = viewer.get(ADDRESS)
    assert "Shards" in late.text
    (live,) = re.findall(r'data-refresh="([^"]+)"', late.text)
    assert viewer.get(live.replace("&amp;", "&")).headers["X-Tendies-Live"] == "running"
