"""
Airflow on Celery with two workers, PostgreSQL, Redis and three Model Servers, while one after the other breaks.

The services are those of docker/compose.yaml, as processes; see ``installation.py``.
"""

from __future__ import annotations

import json
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.installation import MODEL_NAME, REPOSITORY, Installation, wait_for
from tests.cluster.processes import Process
from tests.support.airflow import LiveAirflow
from tests.support.candidates import make_candidate, picture, shift

pytestmark = [pytest.mark.postgres, pytest.mark.slow, pytest.mark.timeout(540)]

PICTURES = 2000
LONG_SHARDS = 800  # pictures in four shards, each of which lasts 100 s
AWAY_S = 30.0
SHIFT = 10
_KINDS_OF_PICTURE = 40  # there are this many different ones, so that their answers are quickly computed
_REQUEST_S = 1.5  # of 8 pictures: long enough for everything to break while the batch runs


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    place = tmp_path_factory.mktemp("cluster")
    make_candidate(place / "candidate", by=SHIFT, answer_s=_REQUEST_S)
    (place / "pictures").mkdir()
    for number in range(PICTURES):
        (place / "pictures" / f"{number:04}.png").write_bytes(picture(number % _KINDS_OF_PICTURE))
    installation = Installation(place)
    shutil.copy(REPOSITORY / "tests" / "cluster" / "dags_of_the_cluster.py", place / "home" / "dags")
    with installation:
        yield installation


def break_everything(cluster: Installation) -> list[str]:
    """One thing after the other, each while the batch goes on; what was done, with the time."""
    started_s, said = time.monotonic(), []

    def say(what: str) -> None:
        said.append(f"{time.monotonic() - started_s:5.1f} s: {what}")

    say(f"killed {cluster.airflow['worker-1'].kill()} processes of a worker")
    cluster.model_servers[1].stop()
    say("stopped a Model Server")
    cluster.links[2].cut()
    cut_s = time.monotonic()
    say("cut the link to another")
    time.sleep(4)
    cluster.model_servers[1].start()
    cluster.airflow["worker-1"].start()
    say("started both again")
    time.sleep(4)
    cluster.redis.stop()
    time.sleep(1)
    cluster.redis.start()
    say("restarted Redis")
    time.sleep(max(0.0, 20 - (time.monotonic() - cut_s)))
    cluster.links[2].mend()
    say("mended the link")
    return said


def ledger_of(place: Path) -> list[dict[str, Any]]:
    files = sorted((place / "results" / ".tendies").glob("ledger*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def finished_run(airflow: LiveAirflow, dag_id: str, *, timeout_s: float) -> dict[str, Any]:
    """The DAG's only run, once it has ended."""

    def ended() -> dict[str, Any] | None:
        runs = airflow.runs(dag_id)
        return runs[0] if runs and runs[0]["state"] in {"success", "failed"} else None

    run: dict[str, Any] = airflow.wait(f"the run of {dag_id}", ended, timeout_s)
    return run


def test_every_service_of_the_compose_file_is_healthy(cluster: Installation) -> None:
    for name in cluster.airflow:
        explain: Callable[[], str] = cluster.airflow[name].log
        wait_for(f"{name} to be healthy", partial(cluster.is_healthy, name), explain, timeout_s=90)


def test_a_release_and_a_batch_go_through_while_everything_breaks(cluster: Installation) -> None:
    airflow = cluster.live()
    results = cluster.place / "results"
    airflow.wait_for_dag("cluster_batch")
    airflow.wait_for_dag("cluster_release")
    airflow.trigger("cluster_release")
    assert finished_run(airflow, "cluster_release", timeout_s=120)["state"] == "success"

    airflow.wait("the first pictures", lambda: len(list(results.glob("*.png"))) >= 50, 90)
    said = break_everything(cluster)
    done_when_all_was_mended = len(list(results.glob("*.png")))
    run = finished_run(airflow, "cluster_batch", timeout_s=200)
    print("\n".join([*said, f"{done_when_all_was_mended} of {PICTURES} pictures were done by then"]))

    assert run["state"] == "success"
    assert done_when_all_was_mended < PICTURES, "nothing was broken while the batch ran"
    expected = {number: shift(picture(number), SHIFT) for number in range(_KINDS_OF_PICTURE)}
    for number in range(PICTURES):
        assert (results / f"{number:04}.png").read_bytes() == expected[number % _KINDS_OF_PICTURE]
    records = ledger_of(cluster.place)
    assert Counter(record["input"] for record in records) == Counter(f"{n:04}.png" for n in range(PICTURES))
    assert {(record["outcome"], record["version"]) for record in records} == {("done", 1)}
    summary = airflow.xcom("cluster_batch", run["dag_run_id"], "batch.report")
    assert (summary["total"], summary["done"] + summary["skipped"], summary["failed"]) == (PICTURES, PICTURES, 0)
    assert summary["model_name"] == MODEL_NAME


def test_a_rollback_starts_within_seconds_while_the_shards_of_a_night_fill_the_pool(cluster: Installation) -> None:
    airflow = cluster.live()
    airflow.call("PATCH", "/dags/cluster_batch", {"is_paused": True}, update_mask="is_paused")
    airflow.wait_for_dag("cluster_night")
    airflow.wait_for_dag(f"tendies_rollback_{MODEL_NAME}")
    run_id = airflow.trigger("cluster_night")
    airflow.wait("the first pictures", lambda: done_in(cluster.place / "night") > 0, 120)

    waited_s = seconds_until_a_rollback_runs(airflow, run_id)
    airflow.call("PATCH", f"/dags/cluster_night/dagRuns/{run_id}", {"state": "failed"}, update_mask="state")

    assert waited_s <= 10.0


def done_in(results: Path) -> int:
    return len(list(results.glob("*.png")))


def seconds_until_a_rollback_runs(airflow: LiveAirflow, night: str) -> float:
    """
    Return the seconds from an event that asks for a rollback to the start of its task, while shards fill the pool.

    The event names no request, so the task ends by saying that: only its place before the shards counts here.
    """
    found = task_instances(airflow, "cluster_night", night)
    waiting = [one for one in found if one["task_id"] == "batch.infer" and one["state"] not in {"running", "success"}]
    assert len(waiting) >= 40, f"{len(waiting)} shards wait: {Counter(one['state'] for one in found)}"
    dag_id, asset_id = f"tendies_rollback_{MODEL_NAME}", airflow.asset_id(f"tendies://rollback/{MODEL_NAME}")
    event = airflow.call("POST", "/assets/events", {"asset_id": asset_id})
    run = airflow.wait("the rollback's run", lambda: airflow.runs(dag_id), 60)[0]
    started: str = airflow.wait(
        "the rollback", lambda: airflow.task(dag_id, run["dag_run_id"], "roll_back")["start_date"], 120
    )
    assert airflow.wait_for_run(dag_id, run["dag_run_id"]) == "failed"
    return (datetime.fromisoformat(started) - datetime.fromisoformat(event["timestamp"])).total_seconds()


def test_no_shard_loses_a_try_while_the_database_and_the_api_server_are_away_for_half_a_minute_each(
    cluster: Installation,
) -> None:
    """With the retries and timeouts that compose.yaml and a model's spec have by default."""
    airflow, results = cluster.live(), cluster.place / "long"
    cluster.restart_as_shipped()
    airflow.wait_for_dag("cluster_long_shards")
    run_id = airflow.trigger("cluster_long_shards")
    airflow.wait("four running shards", lambda: states_of_shards(airflow, run_id) == Counter(running=4), 120)
    airflow.wait("the first pictures", lambda: done_in(results) > 0, 60)

    assert cluster.postgres is not None
    during_database = pictures_while_away(cluster, cluster.postgres.process, results)
    airflow.wait("Airflow to be back", lambda: is_back(cluster, airflow, run_id), 120)
    before_api_server = states_of_shards(airflow, run_id)
    during_api_server = pictures_while_away(cluster, cluster.airflow["api-server"], results)
    state = state_at_its_end(cluster, airflow, "cluster_long_shards", run_id)
    tasks = task_instances(airflow, "cluster_long_shards", run_id)

    print(f"{during_database} pictures without PostgreSQL, {during_api_server} without the API server")
    assert before_api_server == Counter(running=4)
    assert during_database >= 20
    assert during_api_server >= 20
    assert state == "success"
    assert {(task["state"], task["try_number"]) for task in tasks} == {("success", 1)}
    assert done_in(results) == LONG_SHARDS


def task_instances(airflow: LiveAirflow, dag_id: str, run_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = airflow.call("GET", f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances", limit=200)[
        "task_instances"
    ]
    return found


def states_of_shards(airflow: LiveAirflow, run_id: str) -> Counter[str]:
    found = task_instances(airflow, "cluster_long_shards", run_id)
    return Counter(task["state"] for task in found if task["task_id"] == "batch.infer")


def pictures_while_away(cluster: Installation, service: Process, results: Path) -> int:
    """Kill a service, start it again half a minute later, and return how many pictures were done in the meantime."""
    service.kill()
    before, gone_s = done_in(results), time.monotonic()
    while time.monotonic() - gone_s < AWAY_S:
        time.sleep(1)
        if service is not cluster.airflow["api-server"]:
            cluster.restart_what_ended()
    done = done_in(results) - before
    service.start()
    return done


def is_back(cluster: Installation, airflow: LiveAirflow, run_id: str) -> bool:
    cluster.restart_what_ended()
    return bool(states_of_shards(airflow, run_id))


def state_at_its_end(cluster: Installation, airflow: LiveAirflow, dag_id: str, run_id: str) -> str:
    def ended() -> str | None:
        cluster.restart_what_ended()
        state = airflow.call("GET", f"/dags/{dag_id}/dagRuns/{run_id}")["state"]
        return state if state in {"success", "failed"} else None

    return str(airflow.wait(f"the end of {dag_id}", ended, 300))


def test_a_replica_that_hangs_costs_a_small_batch_some_seconds_at_most(cluster: Installation) -> None:
    airflow = cluster.live()
    airflow.wait_for_dag("cluster_few")
    usual_s = seconds_of_five_pictures(airflow, cluster.place / "few-as-usual")
    with cluster.model_servers[1].hung():
        hung_s = seconds_of_five_pictures(airflow, cluster.place / "few-while-hung")

    assert hung_s <= usual_s + 10.0


def seconds_of_five_pictures(airflow: LiveAirflow, output: Path) -> float:
    run_id = airflow.trigger("cluster_few", {"output": str(output)})
    assert airflow.wait_for_run("cluster_few", run_id) == "success"
    assert done_in(output) == 5
    return float(airflow.task("cluster_few", run_id, "infer")["duration"])
