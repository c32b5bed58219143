"""``tendies_tidy_<model>``: the records of old runs and releases are removed."""

from __future__ import annotations

from airflow.sdk import DAG, CronTriggerTimetable, Param

from tendies_ops.dag_factory.dag_arguments import base_path, default_zone, make_dag, server_arguments
from tendies_ops.errors import SpecError
from tendies_ops.operators.tidy import TidyOperator
from tendies_ops.spec import ModelSpec

#: Below that of every batch.
_TIDY_WEIGHT = 0


def tidy_dag(spec: ModelSpec) -> DAG:
    """
    Make ``tendies_tidy_<model>``, which does for all outputs of a model and its base path what ``tendies tidy`` does.

    :raises SpecError: the spec has no ``retention``, or names something that Airflow does not have.
    """
    kept = spec.retention
    if kept is None:
        raise SpecError(f"The spec of {spec.model_name} has no `retention`, which says what is kept: add it.")
    settings = spec.airflow.of_tidy()
    zone = settings.timezone or default_zone()
    with make_dag(
        settings,
        weight=_TIDY_WEIGHT,
        dag_id=spec.dag_id("tidy"),
        schedule=CronTriggerTimetable(kept.cron, timezone=zone) if kept.cron else None,
        description=settings.description or f"Remove the records of old runs and releases of {spec.model_name}",
        params={
            "keep_runs": Param(kept.keep_runs, type="integer", minimum=1, title="Runs to keep"),
            "keep_days": Param(kept.keep_days, type="number", minimum=0, title="Days to keep"),
            "dry_run": Param(False, type="boolean", title="Dry run", description="Only list what would be removed."),
        },
    ) as dag:
        TidyOperator(
            task_id="tidy",
            spec=spec,
            keep_runs="{{ params.keep_runs }}",
            keep_days="{{ params.keep_days }}",
            list_only="{{ params.dry_run }}",
            model_base_path=base_path(spec),
            **server_arguments(spec, settings),
        )
    return dag
