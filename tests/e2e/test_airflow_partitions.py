"""A backfill of partitions on a live Airflow is killed: each picture is done once, and a second asks for nothing."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tendies_ops.partitions.partition_states import list_states
from tests.support.airflow import LiveAirflow
from tests.support.candidates import MODEL_NAME, make_candidate, picture
from tests.support.held_server import HeldServer
from tests.support.partitioned import made_partitions, partitioned_spec

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

PICTURES = 8
DAYS = ("2026-06-01", "2026-06-02", "2026-06-03", "2026-06-04")
SETTINGS: dict[str, Any] = {"every": "day", "start": DAYS[0], "model_name": MODEL_NAME}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[HeldServer]:
    """A server that takes a while for each request until it is let go."""
    base = tmp_path / "models"
    base.mkdir()
    make_candidate(tmp_path / "made", by=10).rename(base / "1")
    running = HeldServer(base, predict_s=1.0)
    running.wait_until_serving(1, timeout_s=30)
    yield running
    running.let_go()
    running.stop()


def spec_of(root: Path, server: HeldServer) -> dict[str, Any]:
    spec = partitioned_spec(root, **SETTINGS).model_dump(mode="json", exclude_unset=True)
    spec["release"] = {"model_base_path": str(server.base), "servers": [server.url]}
    spec["batch"] |= {"max_batch_size": 1, "allow_empty": True}
    spec["airflow"] = {"retries": 5, "retry_delay_s": 1, "dag_id_prefix": "days."}
    return spec


def backfill(airflow: LiveAirflow, dag_id: str, *more: str) -> None:
    command = [shutil.which("airflow", path=airflow.environment["PATH"]) or "airflow", "backfill", "create"]
    command += ["--dag-id", dag_id, "--from-date", DAYS[0], "--to-date", DAYS[-1], "--max-active-runs", "2", *more]
    subprocess.run(command, env=airflow.environment, cwd=airflow.home, check=True, timeout=180)


def wait_for_runs(airflow: LiveAirflow, dag_id: str, number: int) -> list[dict[str, Any]]:
    """Return the runs of the backfills once there are so many of them, and all have ended."""

    def ended() -> list[dict[str, Any]] | None:
        runs = [run for run in airflow.runs(dag_id) if run["run_type"] == "backfill"]
        return runs if len(runs) == number and {run["state"] for run in runs} <= {"success", "failed"} else None

    def completed() -> bool:
        backfills = airflow.call("GET", "/backfills", dag_id=dag_id)["backfills"]
        return all(one["completed_at"] for one in backfills)

    found: list[dict[str, Any]] = airflow.wait("the backfill's runs to end", ended, 300)
    airflow.wait("the backfill to be completed, before which Airflow refuses another", completed)
    return found


def done_in(root: Path) -> Counter[tuple[str, str]]:
    done: Counter[tuple[str, str]] = Counter()
    for day in DAYS:
        for line in (root / "out" / day / ".tendies" / "ledger.jsonl").read_text(encoding="utf-8").splitlines():
            record = json.loads(line)
            done[day, record["input"]] += record["outcome"] == "done"
    return done


def test_a_backfill_that_is_killed_does_every_picture_once_and_a_second_asks_the_server_nothing(
    live_airflow: LiveAirflow, server: HeldServer, tmp_path: Path
) -> None:
    for number, day in enumerate(DAYS):
        (tmp_path / "in" / day).mkdir(parents=True)
        for seed in range(PICTURES):
            (tmp_path / "in" / day / f"{seed}.png").write_bytes(picture(100 * number + seed))
    live_airflow.add_spec(spec_of(tmp_path, server))
    dag_id = f"days.tendies_batch_{MODEL_NAME}"
    live_airflow.wait_for_dag(dag_id)

    backfill(live_airflow, dag_id)
    live_airflow.wait("the first result", lambda: list((tmp_path / "out").glob("2026-06-0?/*.png")), 120)
    killed = live_airflow.children("airflow worker -- ").pop()
    os.kill(killed, signal.SIGKILL)
    server.let_go()
    first = wait_for_runs(live_airflow, dag_id, len(DAYS))

    assert sorted((run["partition_key"], run["state"]) for run in first) == [(day, "success") for day in DAYS]
    assert set(done_in(tmp_path).values()) == {1}
    assert len(done_in(tmp_path)) == len(DAYS) * PICTURES
    states = list_states(made_partitions(tmp_path, **SETTINGS), DAYS, 1)
    assert [(one.state, one.done, one.versions) for one in states] == [("done", PICTURES, (1,))] * len(DAYS)

    asked = server.predicts
    backfill(live_airflow, dag_id, "--reprocess-behavior", "completed")
    again = wait_for_runs(live_airflow, dag_id, 2 * len(DAYS))

    assert {run["state"] for run in again} == {"success"}
    assert server.predicts == asked
    events = live_airflow.asset_events(f"tendies://batch/{MODEL_NAME}")
    assert Counter(event["partition_key"] for event in events if event["source_dag_id"] == dag_id) >= Counter(DAYS * 2)
