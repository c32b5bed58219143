"""The pages of a model with several batches."""

from __future__ import annotations

import json
from pathlib import Path

from tendies_ops.web.run import find_runs
from tendies_ops.web.sources.known import Catalogues
from tests.support.specs import write_specs


def test_the_runs_of_each_batch_are_found_and_lead_to_its_dag(tmp_path: Path) -> None:
    outputs = {name: tmp_path / name for name in ("acme", "daily")}
    batches = {name: {"input": f"/in/{name}", "output": str(output)} for name, output in outputs.items()}
    spec = {"model_name": "lion", "airflow": {"dag_id_prefix": "team."}, "batches": batches}
    specs = write_specs(tmp_path / "specs", spec)
    for name, output in outputs.items():
        folder = output / ".tendies" / "runs" / f"team.tendies_batch_lion__{name}.nightly.infer.1"
        folder.mkdir(parents=True)
        (folder / "report.json").write_text(json.dumps({"model_name": "lion"}))

    catalogue = Catalogues(specs).read()
    [model] = catalogue.models

    for name in outputs:
        dag_id = f"team.tendies_batch_lion__{name}"
        [run] = find_runs.runs_of_task(catalogue.models, dag_id, "nightly")
        assert run.task is not None
        assert (run.task.dag_id, run.usual_input) == (dag_id, f"/in/{name}")
    assert model.dag_ids == {
        *("team.tendies_release_lion", "team.tendies_rollback_lion"),
        *("team.tendies_batch_lion__acme", "team.tendies_batch_lion__daily"),
    }
    assert [part.batch_dag_id for part in model.parts] == [f"team.tendies_batch_lion__{name}" for name in outputs]
