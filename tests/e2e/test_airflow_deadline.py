"""A batch that has not ended at its spec's deadline is reported by a real triggerer."""

from __future__ import annotations

from pathlib import Path

import pytest

from tendies_ops.spec import load_spec
from tests.support.airflow import LiveAirflow
from tests.support.airflow_home import REPOSITORY
from tests.support.candidates import MODEL_NAME
from tests.support.works_to_kill import Batch

_DAG = f"tendies_batch_{MODEL_NAME}"


@pytest.mark.slow  # the scheduler looks for missed deadlines now and then
@pytest.mark.timeout(600)
def test_a_late_batch_is_told_in_the_triggerers_log_and_goes_on(live_airflow: LiveAirflow, tmp_path: Path) -> None:
    example = load_spec(REPOSITORY / "examples" / "models" / "noise_to_stripes.yaml")
    spec = example.model_dump(mode="json", include={"source", "contract"}, exclude_unset=True)
    with Batch(tmp_path) as work:
        live_airflow.add_spec(
            {
                **spec,
                "model_name": MODEL_NAME,
                "release": {"model_base_path": str(work.models), "servers": [work.server.url]},
                "batch": {
                    "input": str(tmp_path / "pictures"),
                    "output": str(tmp_path / "results"),
                    "max_batch_size": 1,
                },
                "airflow": {"deadline_s": 5},
            }
        )
        live_airflow.wait_for_dag(_DAG)
        run_id = live_airflow.trigger(_DAG)

        words = f"The batch run of {MODEL_NAME} is late"
        live_airflow.wait(
            "the deadline to be told", lambda: words in live_airflow.log_path.read_text(errors="replace"), 180
        )
        work.let_go()
        assert live_airflow.wait_for_run(_DAG, run_id) == "success"  # late, and not stopped
