"""Galleries of the worst pictures, opened on a live Airflow: its own routes answer as if no one had opened them."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

import jwt
import psutil
import pytest

from tests.support import galleries
from tests.support.airflow import LiveAirflow
from tests.support.galleries import Question
from tests.support.scan_bombs import scan_bomb
from tests.support.second_api_server import start_api_server
from tests.support.web_world import add_run, add_world

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
NOISE_MS = 40.0  # what a busy machine of two cores adds to the slowest of a hundred answers


@pytest.fixture(scope="module")
def gallery(live_airflow: LiveAirflow, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A page of pictures with 64 megapixels: most have 3,000 scans, every eighth as many as are let through."""
    world = add_world(live_airflow, tmp_path_factory.mktemp("galleries"), MODEL_NAME)
    add_run(world, "worst", done=PICTURES, failed=0)
    refused, slow = scan_bomb(3000), scan_bomb(90)
    for number, path in enumerate(sorted(world.input.rglob("*.jpg"))):
        path.write_bytes(slow if number % 8 == 0 else refused)
    return f"{live_airflow.url}/tendies/runs/{MODEL_NAME}/worst"


@pytest.fixture(scope="module")
def questions(live_airflow: LiveAirflow) -> Iterator[list[Question]]:
    """Airflow's version, its health and a task's heartbeat: of the API server that is used, then of an idle one."""
    live_airflow.add_dag_file("sleeps.py", SLEEPING_DAG)
    live_airflow.wait_for_dag("sleeps")
    run_id = live_airflow.trigger("sleeps")
    task = live_airflow.wait_for_task("sleeps", run_id, "sleep", "running")
    idle = start_api_server(live_airflow)
    heartbeat: dict[str, Any] = {"token": task_token(live_airflow, task["id"]), "method": "PUT", "status": 204}
    body = json.dumps({"hostname": task["hostname"], "pid": task["pid"]})
    yield [
        question
        for url in (live_airflow.url, idle.url)
        for question in (
            Question(f"{url}/api/v2/version"),
            Question(f"{url}/api/v2/monitor/health"),
            Question(f"{url}/execution/task-instances/{task['id']}/heartbeat", body=body, **heartbeat),
        )
    ]
    idle.stop()
    live_airflow.call("PATCH", f"/dags/sleeps/dagRuns/{run_id}", {"state": "failed"}, update_mask="state")


def task_token(live: LiveAirflow, task_id: str) -> str:
    """Make what the scheduler gives to the process of a task."""
    now_s = int(time.time())
    times = {"iat": now_s, "nbf": now_s, "exp": now_s + 7200}
    claims = {"sub": task_id, "aud": "urn:airflow.apache.org:task", "scope": "execution", "jti": task_id, **times}
    secret = live.environment["AIRFLOW__API_AUTH__JWT_SECRET"]
    return jwt.encode(claims, secret, algorithm="HS512", headers={"kid": "not-used"})


@pytest.mark.slow  # as the two below: what is compared are times, which need a machine with nothing else to do
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
    """Hold how fast an API server answers whose pages are used against an idle one at the same time."""
    before_mb = memory_mb(live)
    watching = galleries.start_watching(questions)
    statuses = galleries.answer_of(galleries.start(what, gallery, live.token("viewer"), number))
    took = galleries.answer_of(watching)
    after_mb = memory_mb(live)
    print(f"{what} {number}: {statuses}; memory {before_mb:.0f} -> {after_mb:.0f} MB")
    assert set(statuses) <= {"200", "415", "503"}
    half = len(questions) // 2
    for used, idle in zip(questions[:half], questions[half:], strict=True):
        check_route(urlsplit(used.url).path, took[idle.url], took[used.url])
    assert after_mb - before_mb < 400


def check_route(path: str, idle: list[float], used: list[float]) -> None:
    idle_ms, used_ms = galleries.percentile_ms(idle, 99), galleries.percentile_ms(used, 99)
    found = (
        f"{path}: p50 {statistics.median(idle):.1f} and {statistics.median(used):.1f} ms, p99 {idle_ms:.1f} and "
        f"{used_ms:.1f} ms, worst {max(idle):.0f} and {max(used):.0f} ms of {len(used)}, idle and used"
    )
    print(found)
    assert used_ms <= 2 * idle_ms + NOISE_MS, found


def memory_mb(live: LiveAirflow) -> float:
    """Of the API server and the processes that draw for it."""
    found = [psutil.Process(pid) for pid in live.children("api", "server")]
    every = {child for process in found for child in [process, *process.children(recursive=True)]}
    return sum(process.memory_info().rss for process in every if process.is_running()) / 1e6
