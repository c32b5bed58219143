"""The DAG of a batch with partitions: its timetable, its folders, and the partitions that a release leaves behind."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from airflow.sdk import CronPartitionTimetable, PartitionedAssetTimetable

from tendies_ops.dag_factory.forms import value_or_template
from tendies_ops.operators.assets import pictures_asset
from tendies_ops.partitions.keys import Partitions, partitions_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tendies_ops.spec import BatchDagSettings, BatchSpec, ModelSpec

#: The one name in the templates of a partitioned batch; a run without a key gets it as the spec says.
_KEY = "{% set partition_key = partition_of_run(dag_run, params) %}"


def partition_schedule(spec: ModelSpec, name: str) -> Any:
    """Return the timetable of a partitioned batch: at the end of each period, or on events with a key; else None."""
    partitions = partitions_of(spec, name)
    if partitions is None:
        return None
    if partitions.spec.every is None:
        return PartitionedAssetTimetable(assets=pictures_asset(spec.model_name, name))
    return CronPartitionTimetable(
        partitions.cron, timezone=partitions.zone_name, run_offset=-1, key_format=partitions.key_format
    )


def settings_and_macros(spec: ModelSpec, name: str) -> tuple[BatchDagSettings, dict[str, Any] | None]:
    """Return the settings of a batch's DAG, and the functions that its templates have in addition to Airflow's."""
    settings = spec.airflow.of_batch(spec.batches_by_name()[name].airflow)
    partitions = partitions_of(spec, name)
    if partitions is None:
        return settings, None
    if settings.start_date is None and partitions.spec.every is not None:
        settings = settings.model_copy(update={"start_date": partitions.first_end})
    return settings, {"partition_of_run": lambda dag_run, params: _key_of_run(partitions, dag_run, params)}


def folder_arguments(batch: BatchSpec) -> dict[str, Any]:
    """Return the templates of input and output: of the form, or of the partition."""
    if batch.partitions is None:
        return {f"{place}_path": value_or_template(place, getattr(batch, place)) for place in ("input", "output")}
    return {
        "input_path": f"{_KEY}{batch.input}",
        "output_path": f"{_KEY}{batch.output}",
        "partition_key": f"{_KEY}{{{{ partition_key }}}}",
    }


def _key_of_run(partitions: Partitions, dag_run: Any, params: Mapping[str, Any]) -> str:
    """Return the key of a run; one without a key has the partition that was the newest when it was due."""
    key = dag_run.partition_key or params.get("partition")
    return partitions.of_run(key, datetime.now(timezone.utc) if key else dag_run.run_after)
