"""The part of a spec that every DAG and every task of it gets."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tendies_ops.spec import ModelSpec

#: Weights as the scheduler compares them (a batch's tasks have 1 to 3): in one pool a rollback goes before a release,
#: and both before every shard. They do not use the batch's pool, which holds back the load that they control.
ROLLBACK_WEIGHT, RELEASE_WEIGHT = 10_000, 1_000


def base_path(spec: ModelSpec) -> str | None:
    """Return the directory that Model Server watches, if the spec names it."""
    return str(spec.release.model_base_path) if spec.release.model_base_path else None


def server_arguments(spec: ModelSpec) -> dict[str, Any]:
    """Return the arguments of a task that say where the servers are."""
    return {"model_server_conn_id": spec.airflow.server_conn_id, "servers": spec.release.servers or None}


def dag_arguments(spec: ModelSpec, *, weight: int | None = None) -> dict[str, Any]:
    """
    Return the arguments that all DAGs of a spec have.

    Airflow registers a DAG at the end of its ``with`` block, also if an exception ends it, and would run what there is
    of it. So these DAGs do not register themselves; the DAG file has the complete ones among its globals.
    """
    priority = {} if weight is None else {"priority_weight": weight, "weight_rule": "absolute"}
    return {
        "auto_register": False,
        "catchup": False,
        "max_active_runs": 1,  # a second run would only wait for the first one's lock
        "tags": {"tendies", *spec.airflow.tags},
        "default_args": {
            "owner": spec.airflow.owner,
            "retries": spec.airflow.retries,
            "retry_delay": timedelta(seconds=spec.airflow.retry_delay_s),
            **priority,
        },
    }
