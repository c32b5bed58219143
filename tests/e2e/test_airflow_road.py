"""From a checkpoint in a directory to styled pictures, without a hand on it: real Airflow, TensorFlow and server."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tendies_ops.spec import load_spec
from tendies_ops.triggers.checkpoint_watch import find_checkpoints
from tests.support.airflow import LiveAirflow
from tests.support.airflow_home import REPOSITORY
from tests.support.candidates import picture
from tests.support.model_server import RunningServer, start_model_server

pytestmark = pytest.mark.timeout(900)  # Airflow's start and an export, on a machine that is busy

_MODEL = "dropped_stripes"
_RELEASE, _BATCH = f"tendies_release_{_MODEL}", f"tendies_batch_{_MODEL}"
_ROLLBACK = f"tendies_rollback_{_MODEL}"


@dataclass
class Road:
    airflow: LiveAirflow
    server: RunningServer
    place: Path
    release_run: str
    batch_run: str


def write_spec(airflow: LiveAirflow, server_url: str, place: Path) -> None:
    spec = example_spec()
    spec["source"]["checkpoint"] = str(place / "checkpoints")
    airflow.add_spec(
        {
            **spec,
            "model_name": _MODEL,
            "release": {"model_base_path": str(place / "models"), "servers": [server_url]},
            "batch": {"input": str(place / "pictures"), "output": str(place / "results")},
            "airflow": {
                "watch_dir": str(place / "checkpoints"),
                "watch_interval_s": 1,
                "retry_delay_s": 2,
                "rehearse": False,
            },
        }
    )


def example_spec() -> dict[str, Any]:
    """How the example's checkpoint becomes a model."""
    example = load_spec(REPOSITORY / "examples" / "models" / "noise_to_stripes.yaml")
    return example.model_dump(mode="json", include={"source", "contract"}, exclude_unset=True)


def drop_checkpoint(place: Path, step: int) -> Path:
    """As tf.train.Saver does: data first, index last."""
    [trained] = find_checkpoints(REPOSITORY / "examples" / "noise_to_stripes" / "checkpoint")
    prefix = place / f"model.ckpt-{step}"
    for suffix in (".data-00000-of-00001", ".index"):
        shutil.copyfile(f"{trained.path}{suffix}", f"{prefix}{suffix}")
    return prefix


@pytest.fixture(scope="module")
def road(live_airflow: LiveAirflow, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Road]:
    place = tmp_path_factory.mktemp("road")
    for name in ("checkpoints", "models", "pictures"):
        (place / name).mkdir()
    for seed in range(5):
        (place / "pictures" / f"{seed}.png").write_bytes(picture(seed, size=64))
    with start_model_server(
        f"--model_name={_MODEL}",
        f"--model_base_path={place / 'models'}",
        "--file_system_poll_wait_seconds=0.2",
        wait=False,
    ) as server:
        write_spec(live_airflow, server.url, place)
        live_airflow.wait_for_dag(_BATCH)
        live_airflow.wait_for_dag(_RELEASE)
        watching = lambda: live_airflow.asset_state(f"tendies://checkpoint/{_MODEL}", "tendies_watermark")  # noqa: E731
        live_airflow.wait("the watcher to look for the first time", watching)
        drop_checkpoint(place / "checkpoints", 800)
        release_run = _first_run(live_airflow, _RELEASE)
        assert live_airflow.wait_for_run(_RELEASE, release_run, timeout_s=180) == "success", _logs(
            live_airflow, _RELEASE, release_run, "export", "release"
        )
        batch_run = _first_run(live_airflow, _BATCH)
        assert live_airflow.wait_for_run(_BATCH, batch_run) == "success", _logs(
            live_airflow, _BATCH, batch_run, "infer"
        )
        yield Road(live_airflow, server, place, release_run, batch_run)
        for dag_id in (_RELEASE, _BATCH):
            live_airflow.call("PATCH", f"/dags/{dag_id}", {"is_paused": True}, update_mask="is_paused")


def _first_run(airflow: LiveAirflow, dag_id: str) -> str:
    return str(airflow.wait(f"a run of {dag_id}", lambda: airflow.runs(dag_id))[0]["dag_run_id"])


def _logs(airflow: LiveAirflow, dag_id: str, run_id: str, *task_ids: str) -> str:
    return "\n".join(f"--- {task_id}\n{_log(airflow, dag_id, run_id, task_id)}" for task_id in task_ids)


def _log(airflow: LiveAirflow, dag_id: str, run_id: str, task_id: str) -> str:
    try:
        return airflow.task_log(dag_id, run_id, task_id)
    except RuntimeError as error:
        return str(error)


def test_a_dropped_checkpoint_is_released_without_a_hand_on_it(road: Road) -> None:
    run = road.airflow.call("GET", f"/dags/{_RELEASE}/dagRuns/{road.release_run}")
    exported = road.airflow.xcom(_RELEASE, road.release_run, "export")
    released = road.airflow.xcom(_RELEASE, road.release_run, "release")

    assert run["run_type"] == "asset_triggered"
    assert exported["checkpoint"].endswith("model.ckpt-800")
    assert (exported["step"], exported["model_digest"]) == (800, released["model_digest"])
    assert (released["version"], released["state"]) == (1, "released")
    assert released["who"] == f"event of tendies://checkpoint/{_MODEL}, a watcher"
    assert road.server.status(_MODEL) == {1: "AVAILABLE"}


def test_the_release_starts_the_batch_which_does_every_picture(road: Road) -> None:
    run = road.airflow.call("GET", f"/dags/{_BATCH}/dagRuns/{road.batch_run}")
    summary = road.airflow.xcom(_BATCH, road.batch_run, "infer")

    assert run["run_type"] == "asset_triggered"
    assert {name: summary[name] for name in ("done", "failed", "total", "version")} == {
        "done": 5,
        "failed": 0,
        "total": 5,
        "version": 1,
    }
    assert sorted(path.name for path in (road.place / "results").glob("*.png")) == [f"{n}.png" for n in range(5)]


def test_each_event_says_what_happened(road: Road) -> None:
    arrived = road.airflow.asset_events(f"tendies://checkpoint/{_MODEL}")
    released = road.airflow.asset_events(f"tendies://model/{_MODEL}")
    done = road.airflow.asset_events(f"tendies://batch/{_MODEL}")

    assert [len(events) for events in (arrived, released, done)] == [1, 1, 1]
    assert arrived[0]["extra"]["payload"]["step"] == 800
    assert (released[0]["extra"]["version"], released[0]["extra"]["state"]) == (1, "released")
    assert (done[0]["extra"]["done"], done[0]["extra"]["version"]) == (5, 1)


def test_what_is_deployed_is_kept_with_the_asset(road: Road) -> None:
    deployed = road.airflow.asset_state(f"tendies://model/{_MODEL}", "deployed")

    assert (deployed["version"], deployed["previous_version"]) == (1, None)
    assert deployed["run_id"] == road.release_run


def test_progress_stays_readable_after_the_run(road: Road) -> None:
    progress = road.airflow.task_state(_BATCH, road.batch_run, "infer", "progress")

    assert (progress["done"], progress["total"], progress["state"]) == (5, 5, "finished")


def test_a_release_by_hand_takes_the_checkpoint_and_the_note_of_the_form(road: Road) -> None:
    checkpoint = str(road.place / "checkpoints" / "model.ckpt-800")

    run_id = road.airflow.trigger(_RELEASE, {"checkpoint": checkpoint, "note": "looks best"}, user="user")

    assert road.airflow.wait_for_run(_RELEASE, run_id) == "success"
    assert road.airflow.xcom(_RELEASE, run_id, "export")["checkpoint"] == checkpoint
    released = road.airflow.xcom(_RELEASE, run_id, "release")
    assert (released["state"], released["version"], released["note"]) == ("already_serving", 1, "looks best")
    assert released["who"] == "user"


def test_pictures_that_are_said_to_have_arrived_are_done_and_nothing_twice(road: Road) -> None:
    before = {run["dag_run_id"] for run in road.airflow.runs(_BATCH)}
    (road.place / "pictures" / "new.png").write_bytes(picture(99, size=64))
    asset_id = road.airflow.asset_id(f"tendies://pictures/{_MODEL}")
    road.airflow.call("POST", "/assets/events", {"asset_id": asset_id, "extra": {}}, user="op")

    def done() -> dict[str, Any] | None:
        new = [run for run in road.airflow.runs(_BATCH) if run["dag_run_id"] not in before]
        ended = [run for run in new if run["state"] in ("success", "failed")]
        return ended[-1] if new and len(ended) == len(new) else None

    run = road.airflow.wait("the batch of the new picture", done, 120)
    assert run["state"] == "success"
    lines = (road.place / "results" / ".tendies" / "ledger.jsonl").read_text().splitlines()
    inputs = [json.loads(line)["input"] for line in lines]
    assert sorted(inputs) == sorted([*(f"{n}.png" for n in range(5)), "new.png"])


def test_an_event_posted_over_rest_releases_the_checkpoint_that_it_names(road: Road) -> None:
    before = {run["dag_run_id"] for run in road.airflow.runs(_RELEASE)}
    checkpoint = str(road.place / "checkpoints" / "model.ckpt-800")
    asset_id = road.airflow.asset_id(f"tendies://checkpoint/{_MODEL}")
    body = {"asset_id": asset_id, "extra": {"checkpoint": checkpoint}}
    road.airflow.call("POST", "/assets/events", body, user="op")

    def new_run() -> str | None:
        new = [run["dag_run_id"] for run in road.airflow.runs(_RELEASE) if run["dag_run_id"] not in before]
        return new[0] if new else None

    run_id = road.airflow.wait("a run for the event", new_run)
    assert road.airflow.wait_for_run(_RELEASE, run_id) == "success"
    assert road.airflow.xcom(_RELEASE, run_id, "export")["checkpoint"] == checkpoint


def test_a_rollback_does_what_the_request_says_that_the_event_names(road: Road) -> None:
    uri, value = f"tendies://rollback/{_MODEL}", {"to_version": 1, "reason": "to try it", "by": "op"}
    road.airflow.wait_for_dag(_ROLLBACK)
    asset_id = road.airflow.asset_id(uri)
    path = f"/assets/{asset_id}/state-store/rollback_request/first"
    with pytest.raises(RuntimeError, match="403"):
        road.airflow.call("PUT", path, {"value": value}, user="user")

    road.airflow.call("POST", "/assets/events", {"asset_id": asset_id, "extra": {"to_version": 1}}, user="op")
    alone = _first_run(road.airflow, _ROLLBACK)
    assert road.airflow.wait_for_run(_ROLLBACK, alone) == "failed"
    road.airflow.call("PUT", path, {"value": value}, user="op")
    road.airflow.call("POST", "/assets/events", {"asset_id": asset_id, "extra": {"request": "first"}}, user="op")
    asked = road.airflow.wait("the second run", lambda: road.airflow.runs(_ROLLBACK)[1:])[0]["dag_run_id"]

    assert road.airflow.wait_for_run(_ROLLBACK, asked) == "success", _logs(road.airflow, _ROLLBACK, asked, "roll_back")
    summary = road.airflow.xcom(_ROLLBACK, asked, "roll_back")
    assert (summary["version"], summary["who"], summary["note"]) == (1, "op", "to try it")
    road.airflow.wait("the request to be done", lambda: road.airflow.asset_state(uri, "rollback_request/first")["done"])


def _is_announced(road: Road, step: int) -> bool:
    events = road.airflow.asset_events(f"tendies://checkpoint/{_MODEL}")
    return any(event["extra"].get("payload", {}).get("step") == step for event in events)


def test_a_storm_of_checkpoints_is_one_release_of_the_newest(road: Road) -> None:
    before = {run["dag_run_id"] for run in road.airflow.runs(_RELEASE)}
    for step in (900, 1000, 1100):
        drop_checkpoint(road.place / "checkpoints", step)
        road.airflow.wait(f"step {step} to be announced", partial(_is_announced, road, step))

    def exported_step(run: dict[str, Any]) -> int | None:
        if road.airflow.task(_RELEASE, run["dag_run_id"], "export")["state"] != "success":
            return None
        return int(road.airflow.xcom(_RELEASE, run["dag_run_id"], "export")["step"])

    def newest_ended() -> tuple[set[str], list[int]] | None:
        """All that there is has ended, and the newest was among it: Airflow makes the next run after the last one."""
        runs = [run for run in road.airflow.runs(_RELEASE) if run["dag_run_id"] not in before]
        if not all(run["state"] in ("success", "failed") for run in runs):
            return None
        steps = [step for run in runs if (step := exported_step(run)) is not None]
        return ({run["state"] for run in runs}, steps) if 1100 in steps else None

    states, steps = road.airflow.wait("the newest to be released", newest_ended, 240)
    assert states == {"success"}
    assert steps[-1] == 1100
    assert len(steps) <= 2  # the one that was under way already, and the newest


def test_a_review_waits_for_a_person_whose_name_goes_to_the_release(live_airflow: LiveAirflow, tmp_path: Path) -> None:
    model, dag_id = "reviewed_stripes", "tendies_release_reviewed_stripes"
    release = {
        "model_base_path": str(tmp_path / "models"),
        "servers": ["http://127.0.0.1:9"],  # nothing listens there: how the release ends is not what is tried here
        "available_timeout_s": 1,
        "gate": {"review": True},
    }
    live_airflow.add_spec(
        {**example_spec(), "model_name": model, "release": release, "airflow": {"retry_delay_s": 1, "rehearse": False}}
    )
    live_airflow.wait_for_dag(dag_id)
    run_id = live_airflow.trigger(dag_id)
    live_airflow.wait_for_task(dag_id, run_id, "approve", "awaiting_input", timeout_s=480)
    assert live_airflow.task(dag_id, run_id, "release")["state"] is None

    time.sleep(10)  # as a user does; an answer within a second meets an executor that still holds the task
    path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/approve/-1/hitlDetails"
    live_airflow.call("PATCH", path, {"chosen_options": ["Approve"], "params_input": {}}, user="op")

    released = live_airflow.wait_for_task(dag_id, run_id, "release", "failed", timeout_s=240)
    assert released["rendered_fields"]["approved_by"] == "op"
