"""Airflow DAGs to kill; test_airflow_kills.py copies this file into a live Airflow. A run's conf says where it is."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG

from tendies_ops.operators.batch import BatchInferenceOperator
from tendies_ops.operators.export import ExportSavedModelOperator
from tendies_ops.operators.release import ReleaseModelVersionOperator
from tendies_ops.operators.rollback import RollbackModelVersionOperator
from tendies_ops.operators.shards import batch_inference_group
from tendies_ops.sensors.model_version import ModelVersionSensor
from tendies_ops.spec import ReleaseSpec

PLACE = "{{ dag_run.conf['place'] }}"
MODEL: dict[str, Any] = {"model_base_path": f"{PLACE}/models", "servers": "{{ dag_run.conf['url'] }}"}
PICTURES: dict[str, Any] = {
    "input_path": f"{PLACE}/pictures",
    "output_path": f"{PLACE}/results",
    "model_name": "stripes",
    "max_batch_size": 1,
    "options": {"max_concurrency": 1},
    **MODEL,
}
OPTIONS = ReleaseSpec(available_timeout_s=120, restore_timeout_s=60)


def export(**limits: Any) -> None:
    """Task ``work``."""
    ExportSavedModelOperator(task_id="work", spec=f"{PLACE}/spec.yaml", output_dir=f"{PLACE}/exports/made", **limits)


def release(**limits: Any) -> None:
    """Task ``work``."""
    ReleaseModelVersionOperator(
        task_id="work", saved_model_dir=f"{PLACE}/candidate", rehearse=False, options=OPTIONS, **MODEL, **limits
    )


def waiting_release(**limits: Any) -> None:
    """Task ``work``, deferred."""
    release(deferrable=True, **limits)


def rollback(**limits: Any) -> None:
    """Task ``work``."""
    RollbackModelVersionOperator(task_id="work", model_name="stripes", options=OPTIONS, **MODEL, **limits)


def batch(**limits: Any) -> None:
    """Task ``work``."""
    BatchInferenceOperator(task_id="work", **PICTURES, **limits)


def shards(**limits: Any) -> None:
    """Tasks ``batch.plan``, two of ``batch.infer``, ``batch.report``."""
    batch_inference_group(shards=2, pictures_per_shard=10, **PICTURES, **limits)


def wait(**limits: Any) -> None:
    """Task ``work``, deferred."""
    ModelVersionSensor(
        task_id="work",
        model_name="stripes",
        version=50,
        servers=MODEL["servers"],
        deferrable=True,
        poke_interval=1,
        timeout=120,
        **limits,
    )


for make, limit_s in (
    (export, 40),
    (release, 8),
    (waiting_release, 60),
    (rollback, 8),
    (batch, 8),
    (shards, 8),
    (wait, 8),
):
    with DAG(f"kill_{make.__name__}"):
        make()
    with DAG(f"kill_{make.__name__}_in_time"):
        make(execution_timeout=timedelta(seconds=limit_s))
