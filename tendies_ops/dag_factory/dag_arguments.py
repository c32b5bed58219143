"""Airflow's arguments of a DAG and its tasks, from the settings of a spec."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from airflow.sdk import DAG, BaseOperator

from tendies_ops.dag_factory.callbacks import callbacks, late_alert
from tendies_ops.errors import SpecError
from tendies_ops.spec import DagSettings, ModelSpec

#: Weights as the scheduler compares them (a batch's tasks have 1 to 3): in one pool a rollback goes before a release,
#: and both before every shard. They do not use the batch's pool, which holds back the load that they control.
ROLLBACK_WEIGHT, RELEASE_WEIGHT = 10_000, 1_000
#: Arguments of BaseOperator that are the factory's own, or have a key of their own in the spec.
_NOT_IN_DEFAULT_ARGS = frozenset(
    ("self", "task_id", "dag", "task_group", "default_args", "inlets", "outlets", "kwargs", "retry_delay", "retries")
).union(
    ("max_retry_delay", "execution_timeout", "owner", "queue", "pool", "pool_slots", "priority_weight", "executor"),
    ("executor_config", "retry_exponential_backoff", "retry_policy"),
)


def base_path(spec: ModelSpec) -> str | None:
    """Return the directory that Model Server watches, if the spec names it."""
    return str(spec.release.model_base_path) if spec.release.model_base_path else None


def server_arguments(spec: ModelSpec, settings: DagSettings, servers: Sequence[str] = ()) -> dict[str, Any]:
    """Return the arguments of a task that name the servers."""
    return {"model_server_conn_id": settings.server_conn_id, "servers": servers or spec.release.servers or None}


def make_dag(settings: DagSettings, *, weight: int | None = None, **arguments: Any) -> DAG:
    """
    Make an empty DAG with the settings of a spec.

    Airflow registers a DAG at the end of its ``with`` block, also if an exception ends it, and would run what there is
    of it. So these DAGs do not register themselves; the DAG file has the complete ones among its globals.

    :param weight: priority of the tasks if the settings have none.
    :param arguments: arguments of the DAG that depend on what it does.
    :raises SpecError: a name in ``default_args`` or ``notify`` is unknown.
    """
    zone = _zone(settings.timezone) if settings.timezone else default_zone()
    dag = DAG(**arguments, **_dag_arguments(settings, weight, zone))
    dag.timezone = zone
    return dag


def _dag_arguments(settings: DagSettings, weight: int | None, zone: Any) -> dict[str, Any]:
    given = {
        "start_date": _at(settings.start_date, zone),
        "end_date": _at(settings.end_date, zone),
        "max_active_tasks": settings.max_active_tasks,
        "max_consecutive_failed_dag_runs": settings.max_consecutive_failed_runs or None,
        "dagrun_timeout": _seconds(settings.run_timeout_s),
        "is_paused_upon_creation": settings.is_paused_upon_creation,
        "access_control": settings.access_control,
        "dag_display_name": settings.display_name,
        "on_failure_callback": callbacks(settings.notify.on_failure) or None,
        "on_success_callback": callbacks(settings.notify.on_success) or None,
        "deadline": late_alert(settings.notify.on_late),
    }
    return {
        "auto_register": False,
        "catchup": settings.catchup,
        "max_active_runs": settings.max_active_runs,  # a second one of a batch would only wait for the first one's lock
        "tags": {"tendies", *settings.tags},
        "owner_links": settings.owner_links,
        "default_args": _task_arguments(settings, weight),
        **{name: value for name, value in given.items() if value is not None},
    }


def _task_arguments(settings: DagSettings, weight: int | None) -> dict[str, Any]:
    weight = weight if settings.priority_weight is None else settings.priority_weight
    given = {
        "max_retry_delay": _seconds(settings.max_retry_delay_s),
        "retry_exponential_backoff": settings.retry_exponential_backoff or None,
        "execution_timeout": _seconds(settings.execution_timeout_s),
        "queue": settings.queue,
        "pool": settings.pool,
        "pool_slots": settings.pool_slots if settings.pool_slots > 1 else None,
        "priority_weight": weight,
        "weight_rule": None if weight is None else "absolute",
        "executor": settings.executor,
        "executor_config": settings.executor_config or None,
        "on_retry_callback": callbacks(settings.notify.on_retry) or None,
    }
    return {
        "owner": settings.owner,
        "retries": settings.retries,
        "retry_delay": timedelta(seconds=settings.retry_delay_s),
        **{name: value for name, value in given.items() if value is not None},
        **_checked_default_args(settings),
    }


def _checked_default_args(settings: DagSettings) -> dict[str, Any]:
    for name in settings.default_args:
        if name not in task_argument_names():
            nearest = difflib.get_close_matches(name, [*task_argument_names(), *type(settings).model_fields], n=1)
            hint = f"did you mean `{nearest[0]}`?" if nearest else "see Airflow's BaseOperator for those that there are"
            raise SpecError(f"`default_args.{name}` is not an argument that a spec may give to all tasks; {hint}")
    return dict(settings.default_args)


@lru_cache(maxsize=1)
def task_argument_names() -> frozenset[str]:
    """Return the arguments of BaseOperator that ``default_args`` of a spec may have."""
    return frozenset(inspect.signature(BaseOperator.__init__).parameters) - _NOT_IN_DEFAULT_ARGS


def _seconds(number: float | None) -> timedelta | None:
    return None if number is None else timedelta(seconds=number)


def _zone(name: str) -> Any:
    import pendulum  # comes with Airflow, whose DAGs take no other time zones

    return pendulum.timezone(name)


def default_zone() -> Any:
    """Return the time zone that Airflow is configured to give to DAGs."""
    return DAG("default_zone", schedule=None, auto_register=False).timezone


def _at(moment: datetime | None, zone: Any) -> datetime | None:
    return moment if moment is None or moment.tzinfo else moment.replace(tzinfo=zone)
