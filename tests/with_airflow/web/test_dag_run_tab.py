"""The tab of a DAG run, from before its first picture."""

from __future__ import annotations

import re
from urllib.parse import quote

import orjson

from tendies_ops.publish.history import HistoryRecord, append_history
from tendies_ops.spec import read_manifest
from tests.support.web_world import WebWorld, add_version, write_progress
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


RELEASE_TAB = "/tendies/airflow/run?dag_id=tendies_release_brush&run_id="


def test_a_run_of_the_release_dag_leads_to_its_candidate_until_it_is_decided_and_then_to_its_story(
    world: WebWorld, clients: Clients
) -> None:
    run_id = "manual__2026-11-22T09:00:00+00:00"
    name = f"tendies_release_brush.{run_id}".replace(":", "_").replace("+", "_")
    add_version(world, 7, name=f".exports/{name}")
    address = RELEASE_TAB + quote(run_id)
    assert clients["viewer"].get(address).headers["location"].endswith(f"/models/brush/candidates/{name}")
    digest = read_manifest(world.base_path / ".exports" / name).model_digest
    append_history(world.base_path, HistoryRecord("rejected", 0, "rejected by Ada: too pale", model_digest=digest))
    story = clients["viewer"].get(address).headers["location"]
    assert "/models/brush/releases/2" in story
    assert "It was rejected; nothing was changed." in clients["viewer"].get(story).text


def test_a_release_that_failed_leads_from_its_dag_run_to_its_error(world: WebWorld, clients: Clients) -> None:
    request = "tendies_release_brush/manual__broken"
    record = HistoryRecord("failed", 0, "export: a data file is cut short", "brush", request=request, who="mara")
    append_history(world.base_path, record)
    story = clients["viewer"].get(f"{RELEASE_TAB}manual__broken").headers["location"]
    page = clients["viewer"].get(story).text
    assert "a data file is cut short" in page
    assert "mara" in page
    assert "/dags/tendies_release_brush/runs/manual__broken" in page, "and back to its tasks and logs"
    assert page.count("not reached") >= 4


def test_the_story_of_a_version_whose_manifest_says_little_is_reported(world: WebWorld, clients: Clients) -> None:
    add_version(world, 8, golden=0)
    path = world.base_path / "8" / "assets.extra" / "tendies.json"
    path.write_bytes(orjson.dumps({**orjson.loads(path.read_bytes()), "libraries": {}, "parity": []}))
    append_history(world.base_path, HistoryRecord("released", 8))
    assert clients["viewer"].get("/tendies/models/brush/releases/8").status_code == 200
