"""The batch operator as Airflow runs it, against a server that watches a directory."""

from __future__ import annotations

import dataclasses
import json
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tendies_ops.inference import BatchProgress
from tendies_ops.operators.assets import batch_asset
from tendies_ops.operators.batch import BatchInferenceOperator
from tendies_ops.operators.progress_store import ProgressStore
from tests.support.airflow_runs import run_task, task_state
from tests.support.candidates import MODEL_NAME, picture, shift
from tests.support.watching_server import WatchingServer, pictures_to_shift

pytestmark = pytest.mark.usefixtures("server_connection")


@pytest.fixture
def pictures(server: WatchingServer, tmp_path: Path) -> Path:
    return pictures_to_shift(server, tmp_path / "pictures", 6)


def batch(pictures: Path, **arguments: Any) -> BatchInferenceOperator:
    output = str(pictures.parent / "results")
    defaults = {"input_path": str(pictures), "output_path": output, "model_name": MODEL_NAME}
    return BatchInferenceOperator(task_id="infer", **{**defaults, **arguments})


def test_a_batch_ends_with_every_picture_done_and_counts_in_xcom(pictures: Path) -> None:
    ti = run_task("batch_all", lambda: batch(pictures, outlets=[batch_asset(MODEL_NAME)]))

    assert ti.state == "success"
    summary = ti.xcom_pull(task_ids="infer")
    counts = {name: summary[name] for name in ("total", "done", "skipped", "failed", "version", "ok")}
    assert counts == {"total": 6, "done": 6, "skipped": 0, "failed": 0, "version": 1, "ok": True}
    assert len(json.dumps(summary)) < 4096
    result = (pictures.parent / "results" / "3.png").read_bytes()
    assert result != picture(3)
    assert len(result) > 0


def test_what_is_done_already_is_skipped_by_the_next_run(pictures: Path, server: WatchingServer) -> None:
    run_task("batch_first", lambda: batch(pictures))
    asked = server.predicts

    ti = run_task("batch_second", lambda: batch(pictures))

    assert ti.xcom_pull(task_ids="infer")["skipped"] == 6
    assert server.predicts == asked


class ScheduledBatch(BatchInferenceOperator):
    """As in a run that the schedule has started; ``dag.test()`` makes manual ones."""

    def execute(self, context: Any) -> Any:
        context["dag_run"] = context["dag_run"].model_copy(update={"run_type": "scheduled"})
        return super().execute(context)


def test_a_scheduled_run_before_the_first_release_is_skipped_and_a_manual_one_fails(
    tmp_path: Path, server: WatchingServer
) -> None:
    folders = {"input_path": str(tmp_path / "in"), "output_path": str(tmp_path / "out"), "model_name": MODEL_NAME}
    options: dict[str, Any] = {**folders, "model_base_path": str(server.base)}
    assert run_task("batch_scheduled", lambda: ScheduledBatch(task_id="infer", **options)).state == "skipped"
    assert run_task("batch_manual", lambda: BatchInferenceOperator(task_id="infer", **options)).state == "failed"


def test_a_broken_picture_costs_one_picture(pictures: Path) -> None:
    (pictures / "broken.png").write_bytes(picture(9)[:40])

    ti = run_task("batch_broken", lambda: batch(pictures))

    assert ti.state == "success"
    summary = ti.xcom_pull(task_ids="infer")
    assert (summary["done"], summary["failed"]) == (6, 1)


def test_more_failures_than_allowed_are_red_and_not_retried(pictures: Path) -> None:
    (pictures / "broken.png").write_bytes(picture(9)[:40])

    ti = run_task("batch_strict", lambda: batch(pictures, max_failed=0, retries=3))

    assert ti.state == "failed"


def test_the_form_s_values_reach_the_run(pictures: Path) -> None:
    ti = run_task(
        "batch_form",
        lambda: batch(
            pictures,
            input_path="{{ params.input }}",
            sample="{{ params.sample or '' }}",
            version="{{ params.version }}",
        ),
        params={"input": "/nowhere", "sample": None, "version": None},
        conf={"input": str(pictures), "sample": 2, "version": 1},
    )

    assert ti.state == "success"
    summary = ti.xcom_pull(task_ids="infer")
    assert (summary["done"], summary["version"]) == (2, 1)


def test_progress_is_kept_where_the_ui_shows_it(pictures: Path) -> None:
    ti = run_task("batch_progress", lambda: batch(pictures))

    progress = task_state(ti, "progress")
    assert progress["model_name"] == MODEL_NAME
    assert progress["fingerprint"].startswith("sha256:")
    assert progress["run_id"] == ti.xcom_pull(task_ids="infer")["run_id"]


class FailingStore:
    """What a task's state store does while the database behind the API server is away."""

    def set(self, key: str, value: Any) -> None:
        raise RuntimeError("API_SERVER_ERROR: 500 Database error")


def execute(task: BatchInferenceOperator, store: Any) -> dict[str, Any]:
    """Run it as a worker would, with another state store than the database's."""
    ti = SimpleNamespace(dag_id="d", run_id="r", task_id=task.task_id, map_index=-1, try_number=1)
    events = {outlet: SimpleNamespace(extra={}) for outlet in task.outlets}
    context: Any = {"ti": ti, "run_id": "r", "task_state_store": store, "outlet_events": events}
    summary: dict[str, Any] = task.execute(context)
    return summary


def test_a_state_store_that_fails_costs_no_picture_and_is_logged_once(
    pictures: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    summary = execute(batch(pictures), FailingStore())

    assert (summary["done"], summary["failed"]) == (6, 0)
    assert (capsys.readouterr().out + caplog.text).count("500 Database error") == 1


def test_a_state_store_that_hangs_holds_up_neither_pictures_nor_the_end(
    pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()
    monkeypatch.setattr(ProgressStore.close, "__defaults__", (0.1,))

    summary = execute(batch(pictures), SimpleNamespace(set=lambda *_: go_on.wait(60)))
    go_on.set()

    assert summary["done"] == 6


@pytest.mark.parametrize("part", ["announce", "count_batch", "lineage_of_batch"])
def test_what_is_recorded_about_a_batch_cannot_make_it_fail(
    pictures: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], part: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("nobody is there to take it")

    monkeypatch.setattr(f"tendies_ops.operators.batch.{part}", fail)

    assert execute(batch(pictures, outlets=[batch_asset(MODEL_NAME)]), FailingStore())["done"] == 6
    assert "nobody is there to take it" in capsys.readouterr().out


def test_the_fingerprint_tells_other_work_apart(pictures: Path) -> None:
    """Airflow keeps a task's state when it is cleared, and it may be cleared with another configuration."""
    one = run_task("batch_print_one", lambda: batch(pictures))
    other = run_task("batch_print_two", lambda: batch(pictures, options={"output_format": "jpeg"}))

    assert task_state(one, "progress")["fingerprint"] != task_state(other, "progress")["fingerprint"]


def test_further_options_are_passed_on_and_a_wrong_word_is_named(pictures: Path) -> None:
    done = run_task("batch_options", lambda: batch(pictures, options={"output_format": "jpeg"}))
    wrong = run_task("batch_typo", lambda: batch(pictures, options={"output_fromat": "jpeg"}))

    assert done.state == "success"
    assert (pictures.parent / "results" / "3.jpg").exists()
    assert wrong.state == "failed"


def test_a_batch_whose_pictures_nearly_all_fail_fails_by_default(pictures: Path) -> None:
    for number in range(20):
        (pictures / f"broken{number}.png").write_bytes(picture(9)[:40])

    assert run_task("batch_default", lambda: batch(pictures, retries=3)).state == "failed"
    assert run_task("batch_allowed", lambda: batch(pictures, max_failed=20)).state == "success"


def test_results_of_another_model_are_replaced_only_on_purpose(pictures: Path) -> None:
    run_task("batch_owner", lambda: batch(pictures))
    owner = pictures.parent / "results" / ".tendies" / "owner.json"
    owner.write_text(owner.read_text().replace(f'"{MODEL_NAME}"', '"another"'))
    result = pictures.parent / "results" / "3.png"
    before = result.stat().st_mtime_ns

    assert run_task("batch_refused", lambda: batch(pictures, retries=2)).state == "failed"
    assert result.stat().st_mtime_ns == before
    taken = run_task(
        "batch_taken", lambda: batch(pictures, take_over="{{ params.take_over }}"), params={"take_over": True}
    )
    assert taken.state == "success"


def test_an_empty_folder_is_red_unless_allowed(pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    red = run_task("batch_empty", lambda: batch(pictures, input_path=str(tmp_path / "empty")))
    green = run_task("batch_empty_ok", lambda: batch(pictures, input_path=str(tmp_path / "empty"), allow_empty=True))

    assert (red.state, green.state) == ("failed", "success")


def test_pixels_are_the_model_s(pictures: Path) -> None:
    run_task("batch_pixels", lambda: batch(pictures, options={"provenance": False}))

    assert (pictures.parent / "results" / "0.png").read_bytes() == shift(picture(0), 10)


def test_a_line_in_the_log_says_how_far_a_run_is() -> None:
    progress = BatchProgress(
        run_id="r",
        model_name="m",
        version=3,
        state="waiting",
        total=200,
        found=200,
        done=120,
        skipped=7,
        failed=1,
        in_flight=2,
        concurrency=4,
        elapsed_s=10.0,
        images_per_second=12.04,
        eta_s=6.1,
        message="the server is busy",
    )

    assert progress.in_words() == (
        "120 done, 7 skipped, 1 failed of 200; 12.0 pictures a second, about 6 s left; the server is busy"
    )


def test_progress_is_written_now_and_then_and_at_the_end(pictures: Path) -> None:
    written: list[dict[str, Any]] = []
    lines: list[str] = []

    class Store:
        def set(self, key: str, value: dict[str, Any]) -> None:
            written.append({key: value})

    context: Any = {"task_state_store": Store()}
    progress = ProgressStore(context, fingerprint="f", say=lines.append, interval_s=1000.0, log_interval_s=0.0)
    run = BatchProgress("r", "m", 1, "running", None, 1, 0, 0, 0, 1, 1, 0.1, 0.0, None)
    for _ in range(50):
        progress.record(run)
    progress.record(dataclasses.replace(run, state="finished"))
    progress.close(20)

    assert written[-1]["progress"]["state"] == "finished"
    assert len(written) <= 2, "the first may have been replaced before its turn came"
    assert len(lines) == 2
