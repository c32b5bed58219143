"""``tendies_batch_<model>``: folders of pictures through the version in service."""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, AssetOrTimeSchedule, AssetWatcher, CronTriggerTimetable, TaskGroup

from tendies_ops.dag_factory.dag_arguments import base_path, default_zone, make_dag, server_arguments
from tendies_ops.dag_factory.dag_docs import batch_docs
from tendies_ops.dag_factory.forms import batch_params, value_or_template
from tendies_ops.dag_factory.parameter_fields import parameter_texts
from tendies_ops.dag_factory.partitioned import folder_arguments, partition_schedule, settings_and_macros
from tendies_ops.errors import SpecError
from tendies_ops.operators.assets import batch_asset, model_asset, pictures_asset
from tendies_ops.operators.batch import BatchInferenceOperator
from tendies_ops.operators.shards import batch_inference_group
from tendies_ops.operators.undefined import undefined_in
from tendies_ops.spec import BatchDagSettings, BatchSpec, ModelSpec
from tendies_ops.spec.roots import input_roots, output_roots
from tendies_ops.spec.templates import fixed_folder
from tendies_ops.triggers.pictures import PicturesTrigger

#: Settings that a run may have otherwise, by the form.
_OF_THE_FORM = ("version", "sample", "retry_failed", "take_over")


def batch_dag(spec: ModelSpec, name: str = "") -> DAG:
    """
    Make ``tendies_batch_<model>``, or ``tendies_batch_<model>__<name>`` for one of the spec's ``batches``.

    It runs on its cron, when the model is released, and when pictures arrive.

    :raises SpecError: there is no such batch, or it names something that Airflow does not have.
    """
    batch = _batch(spec, name)
    settings, macros = settings_and_macros(spec, name)
    section = f"batches.{name}" if name else "batch"
    with make_dag(
        settings,
        dag_id=spec.dag_id("batch", name),
        schedule=partition_schedule(spec, name) or _schedule(spec, name, settings),
        description=f"Pictures through {spec.model_name}" + (f": {name}" if name else ""),
        doc_md=batch_docs(spec, name),
        params=batch_params(batch, settings.params, spec.contract.extra_inputs),
        user_defined_macros=macros,
        template_undefined=undefined_in(
            spec.model_name, {f"{section}.{key}": text for key, text in batch.templates().items()}
        ),
    ) as dag:
        _add_tasks(spec, name, batch)
    return dag


def batch_group(spec: ModelSpec, name: str = "", *, group_id: str = "batch") -> TaskGroup:
    """
    Make a task group, for a DAG of one's own, that does what the batch DAG of a spec does.

    It reads the form of that DAG (``tendies_ops.dag_factory.batch_params``) if it has one.

    :raises SpecError: there is no such batch, or it has partitions, which only its own DAG knows.
    """
    if _batch(spec, name).partitions is not None:
        raise SpecError(f"{spec.dag_id('batch', name)} has partitions, so its tasks need that DAG: trigger it instead.")
    with TaskGroup(group_id=group_id) as group:
        _add_tasks(spec, name, _batch(spec, name))
    return group


def _batch(spec: ModelSpec, name: str) -> BatchSpec:
    batches = spec.batches_by_name()
    if name not in batches:
        raise SpecError(
            f"The spec of {spec.model_name} has {f'no batch {name!r}' if name else 'several batches'}: name one of "
            f"{', '.join(filter(None, batches)) or 'its `batches`, of which it has none'}."
        )
    return batches[name]


def _schedule(spec: ModelSpec, name: str, settings: BatchDagSettings) -> Any:
    events = pictures_asset(spec.model_name, name, _watchers(spec, name, settings))
    on_events = model_asset(spec.model_name) | events if settings.on_release else events
    if not settings.cron:
        return on_events if settings.on_release else [events]
    timetable = CronTriggerTimetable(settings.cron, timezone=settings.timezone or default_zone())
    return AssetOrTimeSchedule(timetable=timetable, assets=on_events)


def _watchers(spec: ModelSpec, name: str, settings: BatchDagSettings) -> list[AssetWatcher]:
    if not settings.watch_input:
        return []
    batch = _batch(spec, name)
    place, results = (fixed_folder(folder or "") for folder in (batch.input, batch.output))
    if not place or place == results:
        found = f"{batch.input!r} has no fixed folder" if not place else f"the results would be in {place} as well"
        raise SpecError(f"`watch_input` of {spec.dag_id('batch', name)} needs an `input` that can be watched: {found}.")
    fixed = {key: batch.fixed(key) for key in ("include", "exclude", "include_hidden")}
    trigger = PicturesTrigger(
        place=place,
        model_name=spec.model_name,
        batch=name,
        leave_out=results,
        poll_interval_s=settings.watch_interval_s,
        quiet_s=settings.watch_quiet_s,
        every_s=settings.watch_every_s,
        **fixed,
    )
    return [AssetWatcher(name=f"pictures of {spec.dag_id('batch', name)}", trigger=trigger)]


def _add_tasks(spec: ModelSpec, name: str, batch: BatchSpec) -> None:
    settings = spec.airflow.of_batch(batch.airflow)
    arguments = batch_arguments(spec, name)
    if settings.shards == 1:
        BatchInferenceOperator(task_id="infer", **arguments)
        return
    batch_inference_group(
        shards=settings.shards,
        pictures_per_shard=settings.pictures_per_shard,
        bytes_per_shard=int(settings.mib_per_shard * 2**20),
        **arguments,
    )


def batch_arguments(spec: ModelSpec, name: str) -> dict[str, Any]:
    """Return the arguments of the tasks of a batch."""
    batch = _batch(spec, name)
    settings = spec.airflow.of_batch(batch.airflow)
    parameters = parameter_texts(spec.contract.extra_inputs, batch)
    outlets = [batch_asset(spec.model_name), *([batch_asset(spec.model_name, name)] if name else [])]
    return {
        **folder_arguments(batch),
        "allowed_inputs": input_roots(batch),
        "allowed_outputs": output_roots(batch),
        "model_name": spec.model_name,
        **batch.given(),
        **({} if parameters is None else {"parameters": parameters}),
        **{key: value_or_template(key, getattr(batch, key)) for key in _OF_THE_FORM},
        "model_base_path": base_path(spec),
        "outlets": outlets,
        **server_arguments(spec, settings, batch.servers),
    }
