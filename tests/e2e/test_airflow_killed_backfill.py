"""
Partitions are backfilled on a live Airflow that is killed again and again: each picture is done once.

``TENDIES_TEST_PARTITIONS``, ``TENDIES_TEST_PICTURES`` (in each) and ``TENDIES_TEST_KILLS`` set the size. The full size
is 60 partitions of 200 pictures and 20 kills.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.airflow import LiveAirflow
from tests.support.candidates import MODEL_NAME, make_candidate, picture
from tests.support.checked_calendar import CheckedCalendar, done_lines
from tests.support.held_server import HeldServer
from tests.support.partitioned import made_partitions, partitioned_spec

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

PARTITIONS = int(os.environ.get("TENDIES_TEST_PARTITIONS", "12"))
PICTURES = int(os.environ.get("TENDIES_TEST_PICTURES", "10"))
KILLS = int(os.environ.get("TENDIES_TEST_KILLS", "10"))
FIRST = date(2026, 6, 1)
DAYS = [str(FIRST + timedelta(days=number)) for number in range(PARTITIONS)]
SETTINGS: dict[str, Any] = {"every": "day", "start": DAYS[0], "model_name": MODEL_NAME}
DAG_ID = f"backfilled.tendies_batch_{MODEL_NAME}"
_RESTART_S = 2.0
_PASS_S = 1500.0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[HeldServer]:
    """A server that a supervisor starts again after each crash."""
    base = tmp_path / "models"
    base.mkdir()
    make_candidate(tmp_path / "made", by=10).rename(base / "1")
    running = HeldServer(base, predict_s=0.1)
    running.restart_after_s = _RESTART_S
    running.wait_until_serving(1, timeout_s=30)
    yield running
    running.stop()


@pytest.fixture
def spec_path(tmp_path: Path, server: HeldServer) -> Path:
    """The spec's file, and the pictures of its partitions."""
    for days_ago in (0, 1, 2):  # the schedule's own run has its folder; it is empty
        (tmp_path / "in" / str(datetime.now(timezone.utc).date() - timedelta(days=days_ago))).mkdir(parents=True)
    for number, day in enumerate(DAYS):
        (tmp_path / "in" / day).mkdir(parents=True)
        for seed in range(PICTURES):
            (tmp_path / "in" / day / f"{seed}.png").write_bytes(picture(1000 * number + seed))
    spec = partitioned_spec(tmp_path, **SETTINGS).model_dump(mode="json", exclude_unset=True)
    spec["release"] = {"model_base_path": str(server.base), "servers": [server.url]}
    spec["batch"] |= {"max_batch_size": 1, "allow_empty": True}
    spec["airflow"] = {"retries": 20, "retry_delay_s": 1, "dag_id_prefix": "backfilled."}
    path = tmp_path / "spec.yaml"
    path.write_text(yaml.safe_dump(spec), encoding="utf-8")
    return path


def command(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def backfill(airflow: LiveAirflow, *more: str) -> None:
    argv = [command("airflow"), "backfill", "create", "--dag-id", DAG_ID, "--from-date", DAYS[0]]
    argv += ["--to-date", DAYS[-1], "--max-active-runs", "4", *more]
    subprocess.run(argv, env=airflow.environment, cwd=airflow.home, check=True, timeout=300)


def runs_by_state(airflow: LiveAirflow) -> Counter[str]:
    found: Counter[str] = Counter()
    for offset in itertools.count(step=100):
        runs = airflow.call("GET", f"/dags/{DAG_ID}/dagRuns", limit=100, offset=offset)["dag_runs"]
        found.update(run["state"] for run in runs if run["run_type"] == "backfill")
        if len(runs) < 100:
            return found
    raise AssertionError


def wait_for_runs(airflow: LiveAirflow, number: int) -> None:
    """Wait until all runs of the backfills have succeeded, and Airflow would take another backfill."""
    airflow.wait("the runs to succeed", lambda: runs_by_state(airflow) == {"success": number}, _PASS_S, 2.0)

    def completed() -> bool:
        backfills = airflow.call("GET", "/backfills", dag_id=DAG_ID)["backfills"]
        return all(one["completed_at"] for one in backfills)

    airflow.wait("the backfill to be completed", completed, 180)


def kill_a_task(airflow: LiveAirflow, server: HeldServer) -> None:
    del server
    path = f"/dags/{DAG_ID}/dagRuns/~/taskInstances"

    def at_work() -> list[int]:
        """Return the processes of tasks, not of the executor: one of these that is killed takes a lock with it."""
        tasks = airflow.call("GET", path, state="running")["task_instances"]
        return [pid for task in tasks for pid in airflow.children(f"airflow worker -- {task['id']}")]

    os.kill(airflow.wait("a task at work", at_work, 180, 0.2)[0], signal.SIGKILL)


def kill_the_scheduler(airflow: LiveAirflow, server: HeldServer) -> None:
    del server
    airflow.kill_and_restart("scheduler")


def kill_the_api_server(airflow: LiveAirflow, server: HeldServer) -> None:
    del server
    airflow.kill_and_restart("api-server")


def crash_the_model_server(airflow: LiveAirflow, server: HeldServer) -> None:
    del airflow
    server.crashes_when_asked[1] += 1


#: In this order, again and again.
WAYS: tuple[Callable[[LiveAirflow, HeldServer], None], ...] = (
    kill_a_task, crash_the_model_server, kill_a_task, kill_the_scheduler, kill_a_task,
    kill_a_task, kill_the_api_server, kill_a_task, crash_the_model_server, kill_a_task,
)  # fmt: skip


def done_in(root: Path) -> Counter[tuple[str, str]]:
    lines = {day: done_lines(root / "out" / day) for day in DAYS}
    return Counter({(day, name): count for day, found in lines.items() for name, count in found.items()})


def _are_done(root: Path, enough: int) -> bool:
    return done_in(root).total() >= enough


def kill_again_and_again(airflow: LiveAirflow, server: HeldServer, calendar: CheckedCalendar) -> None:
    """Kill something each time that some more pictures are done, and look at the calendar right after it."""
    total = PARTITIONS * PICTURES
    for number, kill in zip(range(KILLS), itertools.cycle(WAYS), strict=False):
        enough = total * number // (KILLS + 2)
        airflow.wait("pictures", partial(_are_done, calendar.root, enough), 600, 0.3)
        kill(airflow, server)
        calendar.look()


def listed(spec_path: Path) -> list[dict[str, Any]]:
    argv = [command("tendies"), "partitions", str(spec_path), "--from", DAYS[0], "--to", DAYS[-1], "--json"]
    printed = subprocess.run(argv, check=True, capture_output=True, timeout=60).stdout
    partitions: list[dict[str, Any]] = json.loads(printed)["partitions"]
    return partitions


def test_a_backfill_killed_again_and_again_does_each_picture_once_and_the_calendar_is_true_at_every_moment(
    live_airflow: LiveAirflow, server: HeldServer, spec_path: Path, tmp_path: Path
) -> None:
    live_airflow.add_spec(yaml.safe_load(spec_path.read_text(encoding="utf-8")))
    live_airflow.wait_for_dag(DAG_ID)
    began_s = time.monotonic()

    with CheckedCalendar(made_partitions(tmp_path, **SETTINGS), tmp_path) as calendar:
        backfill(live_airflow)
        kill_again_and_again(live_airflow, server, calendar)
        server.let_go()
        wait_for_runs(live_airflow, PARTITIONS)
        print(f"first pass: {time.monotonic() - began_s:.0f} s, {KILLS} kills, {server.predicts} predicts")

        assert done_in(tmp_path) == Counter({(day, f"{n}.png"): 1 for day in DAYS for n in range(PICTURES)})
        asked = server.predicts
        backfill(live_airflow, "--reprocess-behavior", "completed")
        wait_for_runs(live_airflow, 2 * PARTITIONS)
    print(f"both passes: {time.monotonic() - began_s:.0f} s, {calendar.looks} looks: {dict(calendar.seen)}")

    assert server.predicts == asked
    assert done_in(tmp_path).total() == PARTITIONS * PICTURES
    assert calendar.lies == []
    assert [(one["key"], one["state"], one["done"]) for one in listed(spec_path)] == [
        (day, "done", PICTURES) for day in DAYS
    ]
