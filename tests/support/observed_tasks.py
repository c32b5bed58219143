"""
Runs releases' and batches' tasks, of which some fail, in an Airflow of this process's own: for listeners that must be
there before Airflow is imported.

Run it: ``python -m tests.support.observed_tasks DIRECTORY``, with an environment that switches a listener on.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from tests.support.airflow_home import use_own_airflow

use_own_airflow()  # before anything imports airflow

from opentelemetry import trace  # noqa: E402 - Airflow has configured it

from tendies_ops.operators.batch import BatchInferenceOperator  # noqa: E402 - it imports airflow
from tendies_ops.operators.release import ReleaseModelVersionOperator  # noqa: E402
from tests.support.airflow_runs import run_task  # noqa: E402
from tests.support.candidates import MODEL_NAME, make_candidate, picture  # noqa: E402
from tests.support.watching_server import WatchingServer  # noqa: E402


def main(place: Path) -> None:
    for name in ("models", "in"):
        (place / name).mkdir()
    for seed in range(3):
        (place / "in" / f"{seed}.png").write_bytes(picture(seed))
    candidate = make_candidate(place / "candidate", step=7)
    tracer = trace.get_tracer("observed")  # a task's own process has the task's span; here one takes its place
    with tracer.start_as_current_span("tasks"), WatchingServer(place / "models") as server:
        shared: dict[str, Any] = {"servers": server.url, "model_base_path": str(place / "models")}
        run_task(
            "observed_release",
            lambda: ReleaseModelVersionOperator(
                task_id="release", saved_model_dir=str(candidate), rehearse=False, **shared
            ),
        )
        bad = make_candidate(place / "bad", by=3, step=8, error="DATA_LOSS: truncated")
        run_task(
            "failed_release",
            lambda: ReleaseModelVersionOperator(
                task_id="release", saved_model_dir=str(bad), rehearse=False, available_timeout_s=20, **shared
            ),
        )
        run_batch("observed_batch", place / "in", place / "out", **shared)
        run_batch("unread_batch", place / "typo", place / "out", **shared)
        (place / "in" / "broken.png").write_bytes(picture(9)[:40])
        run_batch("failed_batch", place / "in", place / "out", partition_key="2026-06-14", max_failed=0, **shared)


def run_batch(dag_id: str, pictures: Path, results: Path, **arguments: Any) -> None:
    run_task(
        dag_id,
        lambda: BatchInferenceOperator(
            task_id="infer",
            input_path=str(pictures),
            output_path=str(results),
            model_name=MODEL_NAME,
            retries=0,
            **arguments,
        ),
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
    provider: Any = trace.get_tracer_provider()
    provider.force_flush()
