"""DAGs of one task, and a connection to a server, for tests that run operators as Airflow does."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, BaseOperator

from tests.support.airflow_home import run_dag


def connection_json(url: str, *, model_base_path: Path | None = None, **extra: Any) -> str:
    """What ``AIRFLOW_CONN_<ID>`` holds for a connection of type ``tf_serving``."""
    if model_base_path is not None:
        extra["model_base_path"] = str(model_base_path)
    return json.dumps({"conn_type": "tf_serving", "host": url, "extra": json.dumps(extra)})


def run_task(
    dag_id: str, make: Callable[[], BaseOperator], *, conf: Mapping[str, Any] | None = None, **dag: Any
) -> Any:
    """Run a DAG of the one task that ``make`` makes, and return its task instance."""
    with DAG(dag_id, **dag) as made:
        task = make()
    return run_dag(made, conf=conf).get_task_instance(task.task_id)


def task_state(ti: Any, key: str) -> Any:
    """What a task instance keeps in its state store."""
    from airflow.models.task_state_store import TaskStateStoreModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        rows = session.scalars(
            select(TaskStateStoreModel).where(
                TaskStateStoreModel.dag_id == ti.dag_id,
                TaskStateStoreModel.run_id == ti.run_id,
                TaskStateStoreModel.task_id == ti.task_id,
                TaskStateStoreModel.key == key,
            )
        ).all()
    return json.loads(rows[0].value) if rows else None
