"""``tendies_rollback_<model>``: back to an earlier version, on request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import DAG
from airflow.utils.types import DagRunType

from tendies_ops.dag_factory.dag_arguments import ROLLBACK_WEIGHT, base_path, dag_arguments, server_arguments
from tendies_ops.operators.assets import model_asset, rollback_asset
from tendies_ops.operators.rollback import RollbackModelVersionOperator

if TYPE_CHECKING:
    from tendies_ops.spec import ModelSpec


def rollback_dag(spec: ModelSpec) -> DAG:
    """
    ``tendies_rollback_<model>``: back to the previous version, or to the one that the event names.

    It runs on an event of ``tendies://rollback/<model>`` and on nothing else, and does what the request says that the
    event names. The request is in the asset's state store, which takes Airflow's role Op; triggering a DAG takes User.

    Its task waits for no batch: neither in the batch's pool nor, by its weight, in any other queue of the scheduler's.
    """
    requests = rollback_asset(spec.model_name)
    with DAG(
        dag_id=f"tendies_rollback_{spec.model_name}",
        schedule=[requests],
        allowed_run_types=[DagRunType.ASSET_TRIGGERED],  # type: ignore[list-item]  # the documented enum; it is converted
        description=f"Put an earlier version of {spec.model_name} back into service",
        **dag_arguments(spec, weight=ROLLBACK_WEIGHT),
    ) as dag:
        RollbackModelVersionOperator(
            task_id="roll_back",
            model_name=spec.model_name,
            model_base_path=base_path(spec),
            requests=requests,
            options=spec.release,
            outlets=[model_asset(spec.model_name)],
            **server_arguments(spec),
        )
    return dag
