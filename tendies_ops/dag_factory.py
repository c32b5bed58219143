"""One model spec makes one release DAG and one batch DAG."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, AssetOrTimeSchedule, CronTriggerTimetable, Param

from tendies_ops.operators.assets import batch_asset, checkpoint_asset, model_asset, pictures_asset
from tendies_ops.operators.batch import BatchInferenceOperator
from tendies_ops.operators.export import ExportSavedModelOperator
from tendies_ops.operators.release import ReleaseModelVersionOperator
from tendies_ops.spec import load_indexed_specs

if TYPE_CHECKING:
    from tendies_ops.spec import ModelSpec

SPECS_DIR_VARIABLE = "TENDIES_SPECS_DIR"


def read_specs(default_dir: Path) -> list[ModelSpec]:
    """
    Read the model specs that ``index.txt`` in the specs directory names. Nothing else is read, and nothing is listed.

    :param default_dir: the specs directory where the environment variable ``TENDIES_SPECS_DIR`` is not set.
    :raises SpecError: the index or a spec cannot be read, or two specs have one ``model_name``.
    """
    return load_indexed_specs(Path(os.environ.get(SPECS_DIR_VARIABLE) or default_dir))


def release_dag(spec: ModelSpec) -> DAG:
    """``tendies_release_<model>``: checkpoint -> export -> release. By event, by button, by REST."""
    model = model_asset(spec.model_name)
    base_path = str(spec.release.model_base_path) if spec.release.model_base_path else None
    with DAG(
        dag_id=f"tendies_release_{spec.model_name}",
        schedule=[checkpoint_asset(spec.model_name)],
        description=f"Release {spec.model_name} to Model Server",
        params={
            "checkpoint": Param(
                None,
                type=["null", "string"],
                title="Checkpoint",
                description="path of a checkpoint to release instead of the newest that arrived, or the spec's own",
            ),
            "note": Param("", type="string", title="Note", description="why; goes with the event of the release"),
        },
        **_common(spec),
    ) as dag:
        export = ExportSavedModelOperator(
            task_id="export",
            spec=spec,
            checkpoint="{{ params.checkpoint or '' }}",
            **_server(spec),
        )
        release = ReleaseModelVersionOperator(
            task_id="release",
            saved_model_dir="{{ ti.xcom_pull(task_ids='export')['saved_model_dir'] }}",
            model_base_path=base_path,
            options=spec.release,
            outlets=[model],
            **_server(spec),
        )
        export >> release
    return dag


def batch_dag(spec: ModelSpec) -> DAG:
    """``tendies_batch_<model>``: the model's pictures, on its cron, when it is released and when pictures arrive."""
    arrivals = model_asset(spec.model_name) | pictures_asset(spec.model_name)
    cron = spec.airflow.batch_cron
    timetable = CronTriggerTimetable(cron, timezone="UTC") if cron else None
    with DAG(
        dag_id=f"tendies_batch_{spec.model_name}",
        schedule=AssetOrTimeSchedule(timetable=timetable, assets=arrivals) if timetable else arrivals,
        description=f"Pictures through {spec.model_name}",
        params=_batch_params(spec),
        **_common(spec),
    ) as dag:
        BatchInferenceOperator(
            task_id="infer",
            input_path="{{ params.input or '' }}",
            output_path="{{ params.output or '' }}",
            model_name=spec.model_name,
            version="{{ params.version or '' }}",
            include=spec.batch.include,
            exclude=spec.batch.exclude,
            max_batch_size=spec.batch.max_batch_size,
            max_failed=spec.batch.max_failed,
            allow_empty=spec.batch.allow_empty,
            outlets=[batch_asset(spec.model_name)],
            **_server(spec),
        )
    return dag


def _batch_params(spec: ModelSpec) -> dict[str, Param]:
    return {
        "input": Param(spec.batch.input, type=["null", "string"], title="Input", description="folder or URL"),
        "output": Param(spec.batch.output, type=["null", "string"], title="Output", description="folder or URL"),
        "version": Param(
            None, type=["null", "integer"], minimum=1, title="Version", description="default: the one that serves"
        ),
    }


def _server(spec: ModelSpec) -> dict[str, Any]:
    return {"model_server_conn_id": spec.airflow.server_conn_id, "servers": spec.release.servers or None}


def _common(spec: ModelSpec) -> dict[str, Any]:
    return {
        "catchup": False,
        "max_active_runs": 1,  # two runs would only wait for each other's lock
        "tags": {"tendies", *spec.airflow.tags},
        "doc_md": spec.airflow.description or spec.description or None,
        "default_args": {
            "owner": spec.airflow.owner,
            "retries": spec.airflow.retries,
            "retry_delay": timedelta(seconds=10),
        },
    }
