"""Release, rollback and sensor as Airflow runs them, against a server that watches a directory."""

from __future__ import annotations

import json
import threading
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from threading import Timer
from typing import Any

import pytest
from airflow.sdk import Context
from airflow.sdk.exceptions import TaskDeferred

from tendies_ops.errors import ReleaseError
from tendies_ops.operators.assets import model_asset
from tendies_ops.operators.release import ReleaseModelVersionOperator
from tendies_ops.operators.rollback import RollbackModelVersionOperator
from tendies_ops.publish.history import read_history
from tendies_ops.publish.leases import hold_lease
from tendies_ops.publish.version_dirs import list_version_dirs
from tendies_ops.release import list_versions
from tendies_ops.release.record.journal import read_journal
from tendies_ops.sensors.model_version import ModelVersionSensor
from tendies_ops.spec import ReleaseSpec
from tendies_ops.triggers import leases_end as leases
from tendies_ops.triggers.leases_end import LeasesEndTrigger
from tests.support.airflow_runs import connection_json, run_task
from tests.support.candidates import MODEL_NAME, make_candidate
from tests.support.canned_server import Answer, Request, error_answer
from tests.support.watching_server import WatchingServer


def release(candidate: Path, **arguments: Any) -> ReleaseModelVersionOperator:
    options = ReleaseSpec(available_timeout_s=20)
    return ReleaseModelVersionOperator(
        task_id="release", saved_model_dir=str(candidate), options=options, rehearse=False, **arguments
    )


@pytest.mark.usefixtures("server_connection")
def test_a_release_ends_with_the_version_served_and_its_summary_in_xcom(server: WatchingServer, tmp_path: Path) -> None:
    candidate = make_candidate(tmp_path / "candidate", by=10)

    ti = run_task("release_one", lambda: release(candidate, outlets=[model_asset(MODEL_NAME)]))

    assert ti.state == "success"
    summary = ti.xcom_pull(task_ids="release")
    assert (summary["model_name"], summary["version"], summary["state"]) == (MODEL_NAME, 1, "released")
    assert server.serving() == [1]


@pytest.mark.usefixtures("server_connection")
def test_history_report_and_versions_name_the_user_who_triggered_the_run_and_why(
    server: WatchingServer, tmp_path: Path
) -> None:
    for by in (10, 20):
        candidate = make_candidate(tmp_path / str(by), by=by)
        released = run_task(f"release_named_{by}", partial(release, candidate, note="softer"))
    rolled_back = run_task(
        "rollback_named", lambda: RollbackModelVersionOperator(task_id="rollback", model_name=MODEL_NAME)
    )

    user = "dag_test"  # what dag.test() calls anyone who triggers
    assert {released.xcom_pull(task_ids="release")["who"], rolled_back.xcom_pull(task_ids="rollback")["who"]} == {user}
    assert {(record.event, record.who) for record in read_history(server.base)} == {
        (event, user) for event in ("published", "released", "withdrawn", "rolled_back")
    }
    asked = [r for r in read_history(server.base) if r.event in {"published", "released"}]
    assert {record.reason for record in asked} == {"softer"}
    assert {entry.who for entry in list_versions(server.base).versions} == {user}
    assert json.loads((server.base / ".tendies" / "releases" / "2.json").read_text())["who"] == user


@pytest.mark.usefixtures("server_connection")
@pytest.mark.parametrize("part", ["announce", "remember_deployed", "count_release", "lineage_of_release"])
def test_what_is_recorded_about_a_release_cannot_make_it_fail(
    server: WatchingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("API_SERVER_ERROR: 500 Database error")

    monkeypatch.setattr(f"tendies_ops.operators.service_change.{part}", fail)
    candidate = make_candidate(tmp_path / "candidate", by=10)

    ti = run_task(f"release_{part}", lambda: release(candidate, outlets=[model_asset(MODEL_NAME)]))

    assert (ti.state, ti.try_number) == ("success", 1)
    assert server.serving() == [1]


@pytest.mark.usefixtures("server_connection")
def test_a_release_that_cannot_load_is_red_and_the_version_before_serves(
    server: WatchingServer, tmp_path: Path
) -> None:
    run_task("release_good", lambda: release(make_candidate(tmp_path / "good", by=10)))
    bad = make_candidate(tmp_path / "bad", by=20, error="INVALID_ARGUMENT: graph is cyclic")

    ti = run_task("release_bad", lambda: release(bad, retries=2))

    assert ti.state == "failed"  # and not up_for_retry: the same again cannot help
    server.wait_until_serving(1)


@pytest.mark.usefixtures("server_connection")
def test_a_rollback_puts_the_version_before_back(server: WatchingServer, tmp_path: Path) -> None:
    for by in (10, 20):
        run_task(f"release_{by}", partial(release, make_candidate(tmp_path / str(by), by=by)))
    assert server.serving() == [2]

    ti = run_task(
        "rollback",
        lambda: RollbackModelVersionOperator(task_id="rollback", model_name=MODEL_NAME, reason="too dark"),
    )

    assert ti.state == "success"
    summary = ti.xcom_pull(task_ids="rollback")
    assert (summary["version"], summary["previous_version"], summary["state"]) == (1, 2, "rolled_back")
    server.wait_until_serving(1)


class _TriedTwice(RollbackModelVersionOperator):
    """Its first try went through, and Airflow never heard of it."""

    def run(self, context: Context, cancelled: threading.Event) -> dict[str, Any]:
        super().run(context, cancelled)
        return super().run(context, cancelled)


@pytest.mark.usefixtures("server_connection")
def test_a_rollback_that_is_tried_again_goes_no_further_back(server: WatchingServer, tmp_path: Path) -> None:
    for by in (10, 20, 30):
        run_task(f"released_{by}", partial(release, make_candidate(tmp_path / str(by), by=by)))

    ti = run_task("rollback_again", lambda: _TriedTwice(task_id="rollback", model_name=MODEL_NAME))

    assert ti.xcom_pull(task_ids="rollback")["version"] == 2
    server.wait_until_serving(2)


def test_a_sensor_gives_up_in_time_when_no_one_answers() -> None:
    ti = run_task(
        "wait_for_nobody",
        lambda: ModelVersionSensor(
            task_id="wait", model_name=MODEL_NAME, version=1, servers="http://127.0.0.1:9", timeout=1, poke_interval=0.2
        ),
    )

    assert ti.state == "failed"


@pytest.mark.usefixtures("server_connection")
def test_a_sensor_ends_with_the_version_that_serves(server: WatchingServer, tmp_path: Path) -> None:
    make_candidate(tmp_path / "candidate", by=10).rename(server.base / "7")

    exact = run_task(
        "wait_exact",
        lambda: ModelVersionSensor(task_id="wait", model_name=MODEL_NAME, version="7", poke_interval=0.2, timeout=20),
    )
    newer = run_task(
        "wait_newer",
        lambda: ModelVersionSensor(task_id="wait", model_name=MODEL_NAME, newer_than=6, poke_interval=0.2, timeout=20),
    )

    assert exact.xcom_pull(task_ids="wait") == 7
    assert newer.xcom_pull(task_ids="wait") == 7


class _GuardedServer(WatchingServer):
    """Answers no one without the token, as a proxy before Model Server does."""

    def _answer(self, request: Request) -> Answer:
        if request.headers.get("authorization") != "Bearer s3cret":
            return error_answer(401, "who are you?")
        return super()._answer(request)


def test_the_connection_s_token_goes_with_every_request_of_a_release(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "models").mkdir()
    with _GuardedServer(tmp_path / "models") as guarded:
        value = connection_json(guarded.url, model_base_path=guarded.base, token="s3cret")
        monkeypatch.setenv("AIRFLOW_CONN_TF_SERVING_DEFAULT", value)
        for by in (10, 20):
            candidate = make_candidate(tmp_path / str(by), by=by)
            ti = run_task(f"release_guarded_{by}", partial(release, candidate))
            assert ti.state == "success"
        ti = run_task(
            "rollback_guarded", lambda: RollbackModelVersionOperator(task_id="rollback", model_name=MODEL_NAME)
        )

    assert ti.state == "success"


def test_a_release_hands_the_wait_for_batch_runs_to_the_triggerer(
    server: WatchingServer, server_connection: str, tmp_path: Path
) -> None:
    make_candidate(tmp_path / "first", by=10).rename(server.base / "1")
    candidate = make_candidate(tmp_path / "second", by=20)

    with hold_lease(server.base, 1, holder="run of the night"), pytest.raises(TaskDeferred) as deferred:
        release(candidate, deferrable=True).execute({})  # it asks nothing of the context

    trigger = deferred.value.trigger
    assert isinstance(trigger, LeasesEndTrigger)
    assert trigger.model_base_path == str(server.base)
    assert read_journal(server.base) is None  # and no lock is held: nothing has begun
    assert [child.version for child in list_version_dirs(server.base)] == [1]


def test_a_release_that_was_deferred_goes_through_once_the_runs_are_done(
    server: WatchingServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    value = connection_json(server.url, model_base_path=server.base, poll_interval_s=0.1)
    monkeypatch.setenv("AIRFLOW_CONN_TF_SERVING_DEFAULT", value)
    monkeypatch.setattr(leases, "FIRST_LOOK_AFTER_S", 0.0)
    make_candidate(tmp_path / "first", by=10).rename(server.base / "1")
    candidate = make_candidate(tmp_path / "second", by=20)
    running = ExitStack()
    running.enter_context(hold_lease(server.base, 1, holder="run of the night"))
    Timer(1.0, running.close).start()

    ti = run_task("release_deferred", lambda: release(candidate, deferrable=True))

    assert ti.state == "success"
    assert server.serving() == [2]
    assert not any("Waiting up to" in note for note in ti.xcom_pull(task_ids="release")["notes"])


def test_a_release_that_has_waited_long_enough_is_red_and_has_changed_nothing(
    server: WatchingServer, server_connection: str, tmp_path: Path
) -> None:
    make_candidate(tmp_path / "first", by=10).rename(server.base / "1")
    task = release(make_candidate(tmp_path / "second", by=20), deferrable=True)

    with hold_lease(server.base, 1, holder="run of the night"), pytest.raises(ReleaseError, match="run of the night"):
        task.execute_complete({}, {"deadline_unix_s": time.time() - 1})

    assert [child.version for child in list_version_dirs(server.base)] == [1]
