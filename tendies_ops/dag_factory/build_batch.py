"""``tendies_batch_<model>``: folders of pictures through the version in service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, AssetOrTimeSchedule, CronTriggerTimetable

from tendies_ops.dag_factory.batch_form import batch_params
from tendies_ops.dag_factory.dag_arguments import base_path, dag_arguments, server_arguments
from tendies_ops.dag_factory.dag_docs import batch_docs
from tendies_ops.operators.assets import batch_asset, model_asset, pictures_asset
from tendies_ops.operators.batch import BatchInferenceOperator
from tendies_ops.operators.shards import batch_inference_group
from tendies_ops.operators.undefined import undefined_in
from tendies_ops.spec.roots import input_roots, output_roots
from tendies_ops.spec.templates import is_template

if TYPE_CHECKING:
    from tendies_ops.spec import ModelSpec


def batch_dag(spec: ModelSpec) -> DAG:
    """``tendies_batch_<model>``: the model's pictures, on its cron, when it is released and when pictures arrive."""
    arrivals = model_asset(spec.model_name) | pictures_asset(spec.model_name)
    cron = spec.airflow.batch_cron
    timetable = CronTriggerTimetable(cron, timezone="UTC") if cron else None
    with DAG(
        dag_id=f"tendies_batch_{spec.model_name}",
        schedule=AssetOrTimeSchedule(timetable=timetable, assets=arrivals) if timetable else arrivals,
        description=f"Pictures through {spec.model_name}",
        doc_md=batch_docs(spec),
        params=batch_params(spec),
        template_undefined=undefined_in(spec.model_name, _templates(spec)),
        **dag_arguments(spec),
    ) as dag:
        if spec.airflow.shards > 1:
            batch_inference_group(shards=spec.airflow.shards, **_batch_arguments(spec))
        else:
            BatchInferenceOperator(task_id="infer", **_batch_arguments(spec))
    return dag


def _batch_arguments(spec: ModelSpec) -> dict[str, Any]:
    return {
        "input_path": _place("input", spec.batch.input),
        "output_path": _place("output", spec.batch.output),
        "allowed_inputs": input_roots(spec),
        "allowed_outputs": output_roots(spec),
        "model_name": spec.model_name,
        **spec.batch.given(),
        "version": "{{ params.version or '' }}",
        "sample": "{{ params.sample or '' }}",
        "retry_failed": "{{ params.retry_failed }}",
        "take_over": "{{ params.take_over }}",
        "model_base_path": base_path(spec),
        "outlets": [batch_asset(spec.model_name)],
        **_pool(spec),
        **server_arguments(spec),
    }


def _place(name: str, of_spec: str | None) -> str:
    """
    Return the template of a folder: what the run was given, else what the spec says.

    A Param is never rendered, so a user who triggers a run writes no Jinja. A constant is the Param's default.
    """
    if of_spec is None or not is_template(of_spec):
        return f"{{{{ params.{name} or '' }}}}"
    return f"{{% if params.{name} %}}{{{{ params.{name} }}}}{{% else %}}{of_spec}{{% endif %}}"


def _templates(spec: ModelSpec) -> dict[str, str]:
    """Return the folders of the spec that are rendered, by their keys."""
    places = {"batch.input": spec.batch.input, "batch.output": spec.batch.output}
    return {key: place for key, place in places.items() if place and is_template(place)}


def _pool(spec: ModelSpec) -> dict[str, Any]:
    return {"pool": spec.airflow.pool} if spec.airflow.pool else {}
