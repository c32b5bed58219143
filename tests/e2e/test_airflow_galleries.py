"""Galleries of the worst pictures, opened on a live Airflow: its own routes answer as if no one had opened them."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

import jwt
import psutil
import pytest
import requests

from tests.support import galleries
from tests.support.airflow import LiveAirflow
from tests.support.galleries import Question
from tests.support.ports import free_port
from tests.support.scan_bombs import scan_bomb
from tests.support.web_world import WebWorld, add_run

MODEL_NAME = "galleries"
PICTURES = 48  # of one page
SLEEPING_DAG = """
import time
from airflow.sdk import dag, task
@dag(schedule=None)
def sleeps():
    @task
    def sleep():
        time.sleep(3600)
    sleep()
sleeps()
"""
NOISE_MS = 40.0


@pytest.fixture(scope="module")
def gallery(live_airflow: LiveAirflow, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A page of pictures with 64 megapixels: most have 3,000 scans, every eighth as many as are let through."""
    root = tmp_path_factory.mktemp("galleries")
    world = WebWorld(root, live_airflow.home / "specs", root / "models", root / "pictures", root / "results")
    for folder in (world.base_path, world.input, world.output):
        folder.mkdir()
    live_airflow.add_spec(
        {
            "model_name": MODEL_NAME,
            "source": {"checkpoint": "model.keras"},
            "release": {"model_base_path": str(world.base_path)},
            "batch": {"input": str(world.input), "output": str(world.output)},
        }
    )
    add_run(world, "worst", done=PICTURES, failed=0)
    refused, slow = scan_bomb(3000), scan_bomb(90)
    for number, path in enumerate(sorted(world.input.rglob("*.jpg"))):
        path.write_bytes(slow if number % 8 == 0 else refused)
    return f"{live_airflow.url}/tendies/runs/{MODEL_NAME}/worst"


@pytest.fixture(scope="module")
def questions(live_airflow: LiveAirflow) -> Iterator[list[Question]]:
    """A server that does nothing; Airflow's version, its health, and the heartbeat of a task that runs."""
    live_airflow.add_dag_file("sleeps.py", SLEEPING_DAG)
    live_airflow.wait_for_dag("sleeps")
    run_id = live_airflow.trigger("sleeps")
    task = live_airflow.wait_for_task("sleeps", run_id, "sleep", "running")
    plain = f"http://127.0.0.1:{(port := free_port())}"
    serving = galleries.start("serve", port)
    live_airflow.wait("the plain server", lambda: requests.get(plain, timeout=5).ok)
    yield [
        Question(plain),
        Question(f"{live_airflow.url}/api/v2/version"),
        Question(f"{live_airflow.url}/api/v2/monitor/health"),
        Question(
            f"{live_airflow.url}/execution/task-instances/{task['id']}/heartbeat",
            method="PUT",
            status=204,
            token=task_token(live_airflow, task["id"]),
            body=json.dumps({"hostname": task["hostname"], "pid": task["pid"]}),
        ),
    ]
    serving.kill()
    live_airflow.call("PATCH", f"/dags/sleeps/dagRuns/{run_id}", {"state": "failed"}, update_mask="state")


def task_token(live: LiveAirflow, task_id: str) -> str:
    """Make what the scheduler gives to the process of a task."""
    now_s = int(time.time())
    times = {"iat": now_s, "nbf": now_s, "exp": now_s + 7200}
    claims = {"sub": task_id, "aud": "urn:airflow.apache.org:task", "scope": "execution", "jti": task_id, **times}
    secret = live.environment["AIRFLOW__API_AUTH__JWT_SECRET"]
    return jwt.encode(claims, secret, algorithm="HS512", headers={"kid": "not-used"})


def test_a_few_users_with_galleries_of_scan_bombs_do_not_slow_airflow_down(
    live_airflow: LiveAirflow, gallery: str, questions: list[Question]
) -> None:
    check_latency(live_airflow, "open", gallery, 4, questions)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_fifty_users_with_galleries_of_scan_bombs_do_not_slow_airflow_down(
    live_airflow: LiveAirflow, gallery: str, questions: list[Question]
) -> None:
    check_latency(live_airflow, "open", gallery, 50, questions)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_thousand_views_one_after_the_other_do_not_slow_airflow_down(
    live_airflow: LiveAirflow, gallery: str, questions: list[Question]
) -> None:
    check_latency(live_airflow, "view", gallery, 1000, questions)


def check_latency(live: LiveAirflow, what: str, gallery: str, number: int, questions: Sequence[Question]) -> None:
    """Hold how fast Airflow answers while the pages are used against how fast it does while no one uses them."""
    before = watch_for(10, questions)
    before_mb = memory_mb(live)

    watching = galleries.start_watching(questions)
    statuses = galleries.answer_of(galleries.start(what, gallery, live.token("viewer"), number))
    busy = galleries.answer_of(watching)
    after_mb = memory_mb(live)
    after = watch_for(10, questions)
    print(f"{what} {number}: {statuses}; memory {before_mb:.0f} -> {after_mb:.0f} MB")
    assert set(statuses) <= {"200", "415", "503"}
    plain, *routes = (one.url for one in questions)
    noise_ms = NOISE_MS + 3 * galleries.p99_ms(busy[plain])
    print(f"a server that does nothing: p99 {galleries.p99_ms(busy[plain]):.1f} ms")
    for url in routes:
        check_route(urlsplit(url).path, before[url] + after[url], busy[url], noise_ms)
    assert after_mb - before_mb < 400


def watch_for(seconds: float, questions: Sequence[Question]) -> dict[str, list[float]]:
    watching = galleries.start_watching(questions)
    time.sleep(seconds)
    found: dict[str, list[float]] = galleries.answer_of(watching)
    return found


def check_route(path: str, idle: list[float], busy: list[float], noise_ms: float) -> None:
    """Allow twice the time of an idle server, and what the machine itself adds to each of the steps to an answer."""
    idle_ms, busy_ms = galleries.p99_ms(idle), galleries.p99_ms(busy)
    found = (
        f"{path}: p50 {statistics.median(idle):.1f} -> {statistics.median(busy):.1f} ms, "
        f"p99 {idle_ms:.1f} -> {busy_ms:.1f} ms, worst {max(idle):.0f} -> {max(busy):.0f} ms of {len(busy)}"
    )
    print(found)
    assert busy_ms <= 2 * idle_ms + noise_ms, found


def memory_mb(live: LiveAirflow) -> float:
    """Of the API server and the processes that draw for it."""
    found = [psutil.Process(pid) for pid in live.children("api", "server")]
    every = {child for process in found for child in [process, *process.children(recursive=True)]}
    return sum(process.memory_info().rss for process in every if process.is_running()) / 1e6
