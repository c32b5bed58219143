"""Tasks that are killed in each way that Airflow knows end in the true state, and going on does no work twice."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.airflow import LiveAirflow
from tests.support.candidates import make_candidate, picture
from tests.support.canned_server import Answer, Request
from tests.support.watching_server import WatchingServer

pytestmark = pytest.mark.timeout(900)  # on a machine that is busy

_PICTURES = 60
_DAGS = '''
"""Tasks to kill, on Airflow."""
from datetime import timedelta
from airflow.sdk import DAG
from tendies_ops.operators.batch import BatchInferenceOperator
from tendies_ops.operators.release import ReleaseModelVersionOperator
from tendies_ops.sensors.model_version import ModelVersionSensor
from tendies_ops.spec import ReleaseSpec

PLACE, URL = {place!r}, {url!r}

def batch(task_id, **arguments):
    return BatchInferenceOperator(
        task_id=task_id, input_path=PLACE + "/pictures", output_path=PLACE + "/{{{{ dag.dag_id }}}}",
        model_name="stripes", servers=URL, max_batch_size=1,
        options={{"max_concurrency": 1}}, retry_delay=timedelta(seconds=1), **arguments)

with DAG("kill_batch"):
    batch("infer")
with DAG("kill_batch_retry"):
    batch("infer", retries=1)
with DAG("kill_batch_timeout"):
    batch("infer", execution_timeout=timedelta(seconds=6))
with DAG("kill_release"):
    ReleaseModelVersionOperator(
        task_id="release", saved_model_dir=PLACE + "/slow", model_base_path=PLACE + "/models", servers=URL,
        rehearse=False, options=ReleaseSpec(available_timeout_s=120, restore_timeout_s=20))
with DAG("wait_deferred"):
    ModelVersionSensor(
        task_id="wait", model_name="stripes", version=50, servers=URL, deferrable=True, poke_interval=1, timeout=120)
'''


@dataclass
class Scene:
    airflow: LiveAirflow
    server: WatchingServer
    place: Path

    def start(self, dag_id: str, task_id: str = "infer") -> str:
        run_id = self.airflow.trigger(dag_id)
        self.airflow.wait_for_task(dag_id, run_id, task_id, "running", "deferred")
        return run_id

    def start_batch(self, dag_id: str, *, done: int = 5) -> str:
        """Start, and return once some pictures are done."""
        run_id = self.start(dag_id)
        self.airflow.wait(f"{done} pictures of {dag_id}", lambda: len(self.results(dag_id)) >= done, interval_s=0.1)
        return run_id

    def results(self, dag_id: str) -> list[Path]:
        return sorted((self.place / dag_id).glob("*.png"))

    def state(self, dag_id: str, run_id: str, task_id: str = "infer") -> str:
        return str(self.airflow.task(dag_id, run_id, task_id)["state"])

    def mark_failed(self, dag_id: str, run_id: str, task_id: str = "infer") -> None:
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}"
        self.airflow.call("PATCH", path, {"new_state": "failed"})

    def clear(self, dag_id: str, run_id: str) -> None:
        body = {"dry_run": False, "dag_run_id": run_id, "only_failed": False, "reset_dag_runs": True}
        self.airflow.call("POST", f"/dags/{dag_id}/clearTaskInstances", body)

    def task_process(self, dag_id: str) -> psutil.Process:
        """The process that runs the batch of ``dag_id``: it is the one that holds the ledger open."""
        ledger = str(self.place / dag_id / ".tendies" / "ledger.jsonl")
        found = [psutil.Process(pid) for pid in self.airflow.children() if ledger in _open_files(pid)]
        assert len(found) == 1, found
        return found[0]

    def forget(self, dag_id: str) -> None:
        """As if the batch of ``dag_id`` had never run."""
        shutil.rmtree(self.place / dag_id, ignore_errors=True)


def _open_files(pid: int) -> list[str]:
    try:
        return [file.path for file in psutil.Process(pid).open_files()]
    except psutil.Error:
        return []


class SlowServer(WatchingServer):
    """Takes its time for each request, so that there is time to kill what waits for it."""

    def _answer(self, request: Request) -> Answer:
        if request.path.endswith(":predict"):
            time.sleep(0.25)
        return super()._answer(request)


@pytest.fixture(scope="module")
def scene(live_airflow: LiveAirflow, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    place = tmp_path_factory.mktemp("kills")
    (place / "models").mkdir()
    (place / "pictures").mkdir()
    for seed in range(_PICTURES):
        (place / "pictures" / f"{seed:03d}.png").write_bytes(picture(seed))
    make_candidate(place / "quick", by=1).rename(place / "models" / "1")
    make_candidate(place / "slow", by=2, load_s=60.0)
    with SlowServer(place / "models") as server:
        server.wait_until_serving(1)
        live_airflow.add_dag_file("kills.py", _DAGS.format(place=str(place), url=server.url))
        for dag_id in ("kill_batch", "kill_batch_retry", "kill_batch_timeout", "kill_release", "wait_deferred"):
            live_airflow.wait_for_dag(dag_id)
        yield Scene(live_airflow, server, place)


def test_a_batch_marked_failed_stops_soon_and_a_clear_does_the_rest(scene: Scene) -> None:
    run_id = scene.start_batch("kill_batch")
    scene.mark_failed("kill_batch", run_id)
    time.sleep(6)  # the supervisor learns of it at its next heartbeat; then the task has five seconds
    stopped_at = len(scene.results("kill_batch"))
    time.sleep(2)

    assert scene.state("kill_batch", run_id) == "failed"
    assert len(scene.results("kill_batch")) == stopped_at < _PICTURES

    asked = scene.server.predicts
    scene.clear("kill_batch", run_id)
    assert scene.airflow.wait_for_run("kill_batch", run_id) == "success"
    summary = scene.airflow.xcom("kill_batch", run_id, "infer")
    assert (summary["total"], summary["failed"]) == (_PICTURES, 0)
    assert summary["skipped"] >= stopped_at - 1  # the last may have been written without its line in the ledger
    assert scene.server.predicts - asked <= _PICTURES - stopped_at + 2


def test_a_batch_cleared_while_it_runs_runs_again_and_ends_green(scene: Scene) -> None:
    run_id = scene.start_batch("kill_batch_retry")
    scene.clear("kill_batch_retry", run_id)

    def again() -> dict[str, Any] | None:
        task = scene.airflow.task("kill_batch_retry", run_id, "infer")
        return task if task["state"] == "success" else None

    task = scene.airflow.wait("the second try", again, 120)
    assert task["try_number"] >= 2
    assert scene.airflow.xcom("kill_batch_retry", run_id, "infer")["skipped"] >= 4


def test_a_task_process_killed_with_sigkill_is_retried_and_goes_on(scene: Scene) -> None:
    scene.forget("kill_batch_retry")
    run_id = scene.start_batch("kill_batch_retry")
    scene.task_process("kill_batch_retry").kill()

    assert scene.airflow.wait_for_run("kill_batch_retry", run_id) == "success"
    summary = scene.airflow.xcom("kill_batch_retry", run_id, "infer")
    assert (summary["total"], summary["failed"]) == (_PICTURES, 0)
    assert summary["skipped"] >= 4


def test_a_task_process_asked_to_end_is_never_green(scene: Scene) -> None:
    scene.forget("kill_batch")
    run_id = scene.start_batch("kill_batch")
    scene.task_process("kill_batch").terminate()

    assert scene.airflow.wait_for_run("kill_batch", run_id) == "failed"
    assert len(scene.results("kill_batch")) < _PICTURES


def test_execution_timeout_is_red_and_what_is_done_is_kept(scene: Scene) -> None:
    run_id = scene.start("kill_batch_timeout")

    assert scene.airflow.wait_for_run("kill_batch_timeout", run_id) == "failed"
    done = len(scene.results("kill_batch_timeout"))
    assert 0 < done < _PICTURES
    time.sleep(2)
    assert len(scene.results("kill_batch_timeout")) == done


def test_a_release_killed_while_it_loads_leaves_the_version_before_in_service(scene: Scene) -> None:
    run_id = scene.start("kill_release", "release")
    scene.airflow.wait("version 2 to be seen by the server", lambda: 2 in scene.server.versions, interval_s=0.1)
    scene.mark_failed("kill_release", run_id, "release")

    scene.airflow.wait("version 2 to be withdrawn", lambda: not (scene.place / "models" / "2").exists(), 30)
    scene.server.wait_until_serving(1, timeout_s=20)
    assert scene.state("kill_release", run_id, "release") == "failed"


@pytest.mark.slow  # Airflow notices a lost triggerer after most of a minute
def test_a_deferred_wait_survives_a_triggerer_restart(scene: Scene) -> None:
    run_id = scene.start("wait_deferred", "wait")
    scene.airflow.wait_for_task("wait_deferred", run_id, "wait", "deferred")
    time.sleep(3)
    scene.airflow.kill_and_restart("triggerer")
    make_candidate(scene.place / "fifty", by=3).rename(scene.place / "models" / "50")

    assert scene.airflow.wait_for_run("wait_deferred", run_id) == "success"
    assert scene.airflow.xcom("wait_deferred", run_id, "wait") == 50


def test_a_scheduler_restart_while_a_batch_runs_loses_no_picture_and_does_none_twice(scene: Scene) -> None:
    scene.forget("kill_batch_retry")
    run_id = scene.start_batch("kill_batch_retry")
    scene.airflow.kill_and_restart("scheduler")

    assert scene.airflow.wait_for_run("kill_batch_retry", run_id, timeout_s=240) == "success"
    summary = scene.airflow.xcom("kill_batch_retry", run_id, "infer")
    assert (summary["total"], summary["failed"]) == (_PICTURES, 0)
    lines = (scene.place / "kill_batch_retry" / ".tendies" / "ledger.jsonl").read_text().splitlines()
    done = [record["input"] for record in map(json.loads, lines) if record["outcome"] == "done"]
    assert sorted(done) == sorted(set(done))
    assert len(done) == _PICTURES
