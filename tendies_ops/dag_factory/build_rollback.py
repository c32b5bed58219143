"""``tendies_rollback_<model>``: back to an earlier version, on request."""

from __future__ import annotations

from airflow.sdk import DAG
from airflow.utils.types import DagRunType

from tendies_ops.dag_factory.dag_arguments import ROLLBACK_WEIGHT, base_path, make_dag, server_arguments
from tendies_ops.operators.assets import model_asset, rollback_asset
from tendies_ops.operators.rollback import RollbackModelVersionOperator
from tendies_ops.spec import ModelSpec


def rollback_dag(spec: ModelSpec) -> DAG:
    """
    Make ``tendies_rollback_<model>``: back to the previous version, or to the one that the event names.

    It runs on an event of ``tendies://rollback/<model>`` only, and carries out the request that the event names. The
    request is in the asset's state store, which takes Airflow's role Op to write; triggering a DAG takes User.

    Its task waits for no batch: neither in the batch's pool nor, by its weight, in any other queue of the scheduler's.

    :raises SpecError: the spec names something that Airflow does not have.
    """
    requests = rollback_asset(spec.model_name)
    settings = spec.airflow.of_rollback()
    with make_dag(
        settings,
        weight=ROLLBACK_WEIGHT,
        dag_id=spec.dag_id("rollback"),
        schedule=[requests],
        allowed_run_types=[DagRunType.ASSET_TRIGGERED],  # the documented enum; it is converted
        description=settings.description or f"Put an earlier version of {spec.model_name} back into service",
    ) as dag:
        RollbackModelVersionOperator(
            task_id="roll_back",
            model_name=spec.model_name,
            model_base_path=base_path(spec),
            requests=requests,
            options=spec.release,
            outlets=[model_asset(spec.model_name)],
            **server_arguments(spec, settings),
        )
    return dag
