"""A batch as a task group: a plan, mapped shards on any worker, one report and one asset event."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from airflow.sdk import Asset, Context, TaskGroup, TriggerRule
from airflow.sdk.definitions.mappedoperator import MappedOperator

from tendies_ops.errors import BatchError, UsageError
from tendies_ops.operators.batch import BatchOperator, run_name
from tendies_ops.operators.who import what_started


class PlanShardsOperator(BatchOperator):
    """
    List the folder, pin the version, and decide on the shards.

    Returns (XCom) a list of ``{"index", "count", "slots", "version", "version_reason", "pictures", "size_bytes"}``, one
    for each shard.

    :param max_shards: shards that run at a time, at most; a large folder has up to six times as many in all.
    :param pictures_per_shard: a folder with fewer is not split.
    :param bytes_per_shard: a folder with fewer bytes is not split either.
    """

    def __init__(
        self, *, max_shards: int, pictures_per_shard: int = 500, bytes_per_shard: int = 512 << 20, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.max_shards = max_shards
        self.pictures_per_shard = pictures_per_shard
        self.bytes_per_shard = bytes_per_shard

    def run(self, context: Context, cancelled: threading.Event) -> list[dict[str, Any]]:
        """Plan the shards, without a request to the model."""
        from tendies_ops.inference.several_runs.sharded_run import plan_shards

        plan = plan_shards(
            self.released_options(context),
            max_shards=self.max_shards,
            pictures_per_shard=self.pictures_per_shard,
            bytes_per_shard=self.bytes_per_shard,
            cancelled=cancelled,
            on_note=self.log.info,
        )
        common = dataclasses.asdict(plan)
        count = common.pop("shards")
        self.log.info(
            "%d pictures in %d shards, version %d: %s", plan.pictures, count, plan.version, plan.version_reason
        )
        return [{"index": index, "count": count, **common} for index in range(count)]


class BatchShardOperator(BatchOperator):
    """
    Run one shard. The report of all shards judges how many pictures may fail.

    :param shard: one entry of the plan. (templated)
    """

    template_fields: Sequence[str] = (*BatchOperator.template_fields, "shard")

    def __init__(self, *, shard: Mapping[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.shard = shard

    def run(self, context: Context, cancelled: threading.Event) -> dict[str, Any]:
        """Run the shard, and return its summary."""
        shard = self.shard
        options = self.batch_options(run_name(context), what_started(context)).replaced(
            shard=(int(shard["index"]), int(shard["count"])),
            shard_slots=shard["slots"],
            version=int(shard["version"]),
            allow_empty=True,
        )
        return self.run_batch(context, options, cancelled).summary()


class FinishShardsOperator(BatchOperator):
    """
    Make one report and one ledger of all shards, and post one asset event.

    :param plan_task_id: id of the task that planned the shards.
    :param shard_task_id: id of the mapped task that ran them.
    """

    def __init__(self, *, plan_task_id: str, shard_task_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.plan_task_id = plan_task_id
        self.shard_task_id = shard_task_id

    def run(self, context: Context, cancelled: threading.Event) -> dict[str, Any]:
        """Add up the shards, and fail if some are missing or too many pictures failed."""
        from tendies_ops.inference.several_runs.sharded_run import ShardPlan, finish_shards

        ti = context["ti"]
        shards = ti.xcom_pull(task_ids=self.plan_task_id)
        if not shards:
            raise BatchError(f"Task {self.plan_task_id} has returned no plan, so there is nothing to report.")
        first = shards[0]
        why = first.get("version_reason", "")
        plan = ShardPlan(first["version"], first["pictures"], first["size_bytes"], first["count"], version_reason=why)
        pulled = ti.xcom_pull(task_ids=self.shard_task_id, map_indexes=list(range(plan.shards)))
        summaries = [summary for summary in pulled or () if summary]
        report = finish_shards(self.batch_options(run_name(context), what_started(context)), plan, summaries)
        return self.record_end(context, report.summary(), ok=report.ok)


def batch_inference_group(
    *,
    input_path: str,
    output_path: str,
    model_name: str,
    group_id: str = "batch",
    shards: int = 4,
    pictures_per_shard: int = 500,
    bytes_per_shard: int = 512 << 20,
    outlets: Sequence[Asset] = (),
    **shared: Any,
) -> TaskGroup:
    """
    Make a task group that does the work of BatchInferenceOperator on several workers at once.

    A shard that fails costs its own pictures only; cleared, it resumes from its own ledger. All workers must see the
    same input and output.

    :param shards: tasks that run at a time, at most; the other limits are those of :class:`PlanShardsOperator`.
    :param outlets: ``tendies://batch/`` assets, which get one event for all shards.
    :param shared: arguments of every task, such as the settings of BatchInferenceOperator, ``pool`` and ``retries``;
        ``max_failed`` counts over all shards.
    :raises UsageError: ``shards`` is not from 1 to 1024, the number of tasks that Airflow maps by default.
    """
    if not 1 <= shards <= 1024:
        raise UsageError(f"`shards` of group {group_id} must be from 1 to 1024; found {shards}.")
    of_all = {"input_path": input_path, "output_path": output_path, "model_name": model_name, **shared}
    with TaskGroup(group_id=group_id) as group:
        plan = PlanShardsOperator(
            task_id="plan",
            max_shards=shards,
            pictures_per_shard=pictures_per_shard,
            bytes_per_shard=bytes_per_shard,
            **of_all,
        )
        infer = _infer(plan, at_a_time=shards, **of_all)
        infer >> _report(plan, infer, outlets=list(outlets), **of_all)
    return group


def _infer(plan: PlanShardsOperator, *, at_a_time: int, **of_all: Any) -> MappedOperator:
    """Return one mapped task for each shard of the plan."""
    return BatchShardOperator.partial(
        task_id="infer",
        max_active_tis_per_dagrun=at_a_time,
        map_index_template="shard {{ task.shard['index'] + 1 }} of {{ task.shard['count'] }}",
        **of_all,
    ).expand(shard=plan.output)


def _report(plan: PlanShardsOperator, infer: MappedOperator, **of_report: Any) -> FinishShardsOperator:
    """Return the task that adds up, even if shards have failed."""
    return FinishShardsOperator(
        task_id="report",
        trigger_rule=TriggerRule.ALL_DONE,
        plan_task_id=plan.task_id,
        shard_task_id=infer.task_id,
        **of_report,
    )
