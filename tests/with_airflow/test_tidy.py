"""The DAG that tidies: only if a spec wants it, paused at first, and under the locks of batches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tendies_ops.dag_factory import batch_dag, tendies_dags, tidy_dag
from tendies_ops.errors import SpecError
from tendies_ops.inference.storage.local import LocalOutput
from tendies_ops.spec import ModelSpec
from tests.support.airflow_home import run_dag
from tests.support.candidates import MODEL_NAME
from tests.support.partitioned import partitioned_spec
from tests.support.specs import write_specs
from tests.support.watching_server import WatchingServer, pictures_to_shift

KEY = "2026-06-14"


def spec(root: Path, **retention: Any) -> ModelSpec:
    made = partitioned_spec(root, model_name=MODEL_NAME, every="day", start="2026-06-01")
    return ModelSpec.model_validate({**made.model_dump(exclude_unset=True), "retention": retention})


def test_it_is_off_until_a_spec_has_retention_and_paused_then(tmp_path: Path) -> None:
    batch = {"input": "/in", "output": "/out"}
    fox = {"model_name": "fox", "batch": {**batch, "output": "/fox"}, "retention": {}}
    write_specs(tmp_path, {"model_name": "owl", "batch": batch}, fox)
    dags = tendies_dags(tmp_path, kinds=["batch"])
    assert [dag_id for dag_id in dags if "_tidy_" in dag_id] == ["tendies_tidy_fox"]
    dag: Any = dags["tendies_tidy_fox"]
    assert dag.is_paused_upon_creation
    assert "30 4 * * 0" in repr(dag.timetable)
    assert dag.get_task("tidy").priority_weight == 0
    with pytest.raises(SpecError, match="has no `retention`"):
        tidy_dag(spec(tmp_path).model_copy(update={"retention": None}))


def test_it_frees_what_it_shows_and_the_next_batch_asks_for_nothing(
    server: WatchingServer, server_connection: str, tmp_path: Path
) -> None:
    pictures_to_shift(server, tmp_path / "in" / KEY, 3)
    made = spec(tmp_path, keep_runs=1, keep_days=0)
    for _ in range(3):
        run_dag(batch_dag(made), conf={"partition": KEY})
    asked, runs = server.predicts, tmp_path / "out" / KEY / ".tendies" / "runs"

    would = summary_of(run_dag(tidy_dag(made), conf={"dry_run": True}))
    assert len(list(runs.iterdir())) == 3
    shown = summary_of(run_dag(tidy_dag(made)))

    assert {**would, "dry_run": False} == shown
    assert (shown["outputs"], shown["runs_removed"], shown["runs_kept"]) == (1, 2, 1)
    assert shown["bytes_freed"] > 0
    assert len(list(runs.iterdir())) == 1
    run_dag(batch_dag(made), conf={"partition": KEY})
    assert server.predicts == asked


def summary_of(run: Any) -> dict[str, Any]:
    assert run.state == "success"
    found: dict[str, Any] = run.get_task_instance("tidy").xcom_pull(task_ids="tidy")
    return found


def test_it_leaves_an_output_alone_that_a_batch_is_writing(
    server: WatchingServer, server_connection: str, tmp_path: Path
) -> None:
    pictures_to_shift(server, tmp_path / "in" / KEY, 1)
    made = spec(tmp_path, keep_runs=1, keep_days=0)
    run_dag(batch_dag(made), conf={"partition": KEY})
    with LocalOutput(tmp_path / "out" / KEY).locked():
        shown = summary_of(run_dag(tidy_dag(made)))
    assert shown["left_alone"].keys() == {str(tmp_path / "out" / KEY)}
