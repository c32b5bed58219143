"""Airflow calls this when no try of a release's task is left; here it is called as Airflow calls it."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tendies_ops.errors import PublishError
from tendies_ops.operators.export import ExportSavedModelOperator
from tendies_ops.operators.failed_release import record_failure
from tendies_ops.operators.release import ReleaseModelVersionOperator
from tendies_ops.publish.history import HistoryRecord, append_history, read_history
from tendies_ops.spec import ModelSpec
from tests.support.candidates import MODEL_NAME, make_candidate


def fail(operator: Any, *, began: datetime | None = None) -> None:
    context: Any = {
        "exception": PublishError("saved_model.pb is damaged; export it again."),
        "task": operator,
        "ti": SimpleNamespace(start_date=began or datetime.now(timezone.utc), dag_id="d", run_id="r"),
        "dag_run": SimpleNamespace(triggering_user_name="ada"),
    }
    for callback in operator.on_failure_callback:
        callback(context)


def release(tmp_path: Path, **arguments: Any) -> ReleaseModelVersionOperator:
    candidate = make_candidate(tmp_path / "candidate", by=10)
    base_path = str(tmp_path / "models")
    return ReleaseModelVersionOperator(
        task_id="release", saved_model_dir=str(candidate), model_base_path=base_path, **arguments
    )


def test_a_release_that_failed_before_it_published_is_in_the_history_with_its_error_and_who_asked(
    tmp_path: Path,
) -> None:
    fail(release(tmp_path))
    (record,) = read_history(tmp_path / "models")
    assert (record.event, record.version, record.model_name, record.who) == ("failed", 0, MODEL_NAME, "ada")
    assert record.reason == "release: saved_model.pb is damaged; export it again."
    assert record.model_digest
    assert record.request == "d/r", "which leads from the DAG run to its story"


def test_an_export_that_failed_is_in_the_history_with_its_checkpoint(tmp_path: Path) -> None:
    source = {"checkpoint": "/train/brush.keras"}
    spec = ModelSpec.model_validate(
        {"model_name": "brush", "source": source, "release": {"model_base_path": str(tmp_path / "models")}}
    )
    fail(ExportSavedModelOperator(task_id="export", spec=spec))
    (record,) = read_history(tmp_path / "models")
    assert (record.event, record.checkpoint) == ("failed", "/train/brush.keras")


def test_a_version_that_was_withdrawn_by_the_same_task_is_not_recorded_twice(tmp_path: Path) -> None:
    began = datetime.now(timezone.utc) - timedelta(seconds=5)
    operator = release(tmp_path)
    (tmp_path / "models").mkdir()
    append_history(tmp_path / "models", HistoryRecord("withdrawn", 1, "other pictures than promised"))
    fail(operator, began=began)
    assert [record.event for record in read_history(tmp_path / "models")] == ["withdrawn"]
    fail(operator)
    assert [record.event for record in read_history(tmp_path / "models")] == ["withdrawn", "failed"]


def test_callbacks_of_the_caller_stay(tmp_path: Path) -> None:
    mine = [print]
    assert release(tmp_path, on_failure_callback=mine).on_failure_callback == [print, record_failure]
