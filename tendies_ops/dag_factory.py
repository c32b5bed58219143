"""One model spec makes one release DAG and one batch DAG."""

from __future__ import annotations

import logging
import os
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, AssetOrTimeSchedule, AssetWatcher, BaseOperator, CronTriggerTimetable, Param
from airflow.utils.types import DagRunType

from tendies_ops.dag_docs import batch_docs, release_docs
from tendies_ops.errors import SpecError
from tendies_ops.operators.assets import batch_asset, checkpoint_asset, model_asset, pictures_asset, rollback_asset
from tendies_ops.operators.batch import BatchInferenceOperator
from tendies_ops.operators.export import ExportSavedModelOperator
from tendies_ops.operators.release import ReleaseModelVersionOperator
from tendies_ops.operators.rollback import RollbackModelVersionOperator
from tendies_ops.operators.shards import batch_inference_group
from tendies_ops.operators.undefined import undefined_in
from tendies_ops.spec import load_indexed_specs
from tendies_ops.spec.roots import input_roots, output_roots
from tendies_ops.spec.templates import is_template
from tendies_ops.triggers.checkpoint import CheckpointTrigger

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow.sdk import Asset

    from tendies_ops.spec import ModelSpec

log = logging.getLogger(__name__)
_SAVED_MODEL_DIR = "{{ ti.xcom_pull(task_ids='export')['saved_model_dir'] }}"
#: Empty after a no, so that a release which somebody clears and runs all the same finds itself without an approval.
_APPROVED_BY = (
    "{% set answer = ti.xcom_pull(task_ids='approve') %}"
    "{{ answer['responded_by_user']['name'] if answer and answer['chosen_options'] == ['Approve'] else '' }}"
)
#: Weights as the scheduler compares them (a batch's tasks have 1 to 3): in one pool a rollback goes before a release,
#: and both before every shard. They do not use the batch's pool, which holds back the load that they control.
_ROLLBACK_WEIGHT, _RELEASE_WEIGHT = 10_000, 1_000
SPECS_DIR_VARIABLE = "TENDIES_SPECS_DIR"


def dags_of_specs(default_dir: Path, make: Callable[[ModelSpec], DAG]) -> dict[str, DAG]:
    """
    Make a DAG for each model spec that ``index.txt`` in the specs directory names. Nothing else is read or listed.

    A file that raises has no DAGs at all, and those that it had are stopped. So a wrong spec costs its own model alone;
    it is told in the log, and by :func:`require_specs`.

    :param default_dir: the specs directory where the environment variable ``TENDIES_SPECS_DIR`` is not set.
    :param make: ``release_dag``, ``batch_dag`` or ``rollback_dag``.
    :return: DAG id -> DAG.
    :raises SpecError: the index cannot be read.
    """
    specs = load_indexed_specs(_specs_dir(default_dir), on_problem=log.error)
    return {dag.dag_id: dag for spec in specs if (dag := _made(spec, make)) is not None}


def _made(spec: ModelSpec, make: Callable[[ModelSpec], DAG]) -> DAG | None:
    try:
        return make(spec)
    except Exception:
        log.exception("The spec of model %s makes no DAG.", spec.model_name)
        return None


def require_specs(default_dir: Path) -> None:
    """
    Raise what is wrong with the specs, in a DAG file of its own, so that Airflow shows it as an import error.

    :raises SpecError: the index or a spec cannot be read, or two specs have one ``model_name``.
    """
    problems: list[SpecError] = []
    load_indexed_specs(_specs_dir(default_dir), on_problem=problems.append)
    if problems:
        raise SpecError(" ".join(map(str, problems)))


def _specs_dir(default_dir: Path) -> Path:
    return Path(os.environ.get(SPECS_DIR_VARIABLE) or default_dir)


def release_dag(spec: ModelSpec) -> DAG:
    """``tendies_release_<model>``: checkpoint -> export (-> review -> a person approves) -> release."""
    checkpoint = _checkpoint_asset(spec)
    asks_a_person = spec.release.gate.review
    with DAG(
        dag_id=f"tendies_release_{spec.model_name}",
        schedule=[checkpoint],
        description=f"Release {spec.model_name} to Model Server",
        doc_md=release_docs(spec),
        params=_release_params(),
        **_common(spec, weight=_RELEASE_WEIGHT),
    ) as dag:
        export = ExportSavedModelOperator(
            task_id="export",
            spec=spec,
            checkpoint="{{ params.checkpoint or '' }}",
            python=spec.airflow.python,
            timeout_s=spec.airflow.export_timeout_s,
            inlets=[checkpoint],
            **_server(spec),
        )
        release = ReleaseModelVersionOperator(
            task_id="release",
            rehearse=spec.airflow.rehearse and not asks_a_person,  # the review has rehearsed it
            approved_by=_APPROVED_BY if asks_a_person else "",
            deferrable=spec.airflow.deferrable,
            outlets=[model_asset(spec.model_name)],
            **_candidate_arguments(spec),
        )
        if asks_a_person:
            review, approve = _review_tasks(spec)
            export >> review >> approve >> release
        else:
            export >> release
    return dag


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
        **_common(spec, weight=_ROLLBACK_WEIGHT),
    ) as dag:
        RollbackModelVersionOperator(
            task_id="roll_back",
            model_name=spec.model_name,
            model_base_path=_base_path(spec),
            requests=requests,
            options=spec.release,
            outlets=[model_asset(spec.model_name)],
            **_server(spec),
        )
    return dag


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
        params=_batch_params(spec),
        template_undefined=undefined_in(spec.model_name, _templates(spec)),
        **_common(spec),
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
        "model_base_path": _base_path(spec),
        "outlets": [batch_asset(spec.model_name)],
        **_pool(spec),
        **_server(spec),
    }


def _place(name: str, of_spec: str | None) -> str:
    """
    Return the template of a folder: what the run was given, else what the spec says.

    A Param is never rendered, so whoever triggers a run writes no Jinja. A constant of the spec is the Param's default.
    """
    if of_spec is None or not is_template(of_spec):
        return f"{{{{ params.{name} or '' }}}}"
    return f"{{% if params.{name} %}}{{{{ params.{name} }}}}{{% else %}}{of_spec}{{% endif %}}"


def _templates(spec: ModelSpec) -> dict[str, str]:
    """Return the folders of the spec that are rendered, by their keys."""
    places = {"batch.input": spec.batch.input, "batch.output": spec.batch.output}
    return {key: place for key, place in places.items() if place and is_template(place)}


def _checkpoint_asset(spec: ModelSpec) -> Asset:
    if spec.airflow.watch_dir is None:
        return checkpoint_asset(spec.model_name)
    trigger = CheckpointTrigger(
        directory=str(spec.airflow.watch_dir),
        model_name=spec.model_name,
        poll_interval_s=spec.airflow.watch_interval_s,
    )
    watcher = AssetWatcher(name=f"checkpoints of {spec.model_name}", trigger=trigger)
    return checkpoint_asset(spec.model_name, watchers=[watcher])


def _candidate_arguments(spec: ModelSpec) -> dict[str, Any]:
    """Return what review and release are told alike."""
    return {
        "saved_model_dir": _SAVED_MODEL_DIR,
        "model_base_path": _base_path(spec),
        "options": spec.release,
        "python": spec.airflow.python,
        "allow_operations": spec.source.allow_operations,
        "note": "{{ params.note or '' }}",
        **_server(spec),
    }


def _review_tasks(spec: ModelSpec) -> tuple[BaseOperator, BaseOperator]:
    """A person looks before anybody gets the new pictures. Rejecting withdraws the candidate."""
    from tendies_ops.operators.review import (  # only DAGs that ask a person pay for it
        ApproveReleaseOperator,
        ReviewModelVersionOperator,
    )

    review = ReviewModelVersionOperator(task_id="review", rehearse=spec.airflow.rehearse, **_candidate_arguments(spec))
    approve = ApproveReleaseOperator(
        task_id="approve",
        subject=f"Release the new version of {spec.model_name}?",
        body="{{ ti.xcom_pull(task_ids='review')['markdown'] }}",
        saved_model_dir=_SAVED_MODEL_DIR,
        model_base_path="{{ ti.xcom_pull(task_ids='review')['model_base_path'] }}",
        execution_timeout=None,
    )
    return review, approve


def _release_params() -> dict[str, Param]:
    return {
        "checkpoint": _text(
            "Checkpoint", "Path of a checkpoint to release, instead of the newest that arrived or the spec's own."
        ),
        "note": Param(
            "",
            type="string",
            maxLength=1000,
            title="Note",
            description="Why. It goes with the asset event and into the task's XCom.",
        ),
    }


def _batch_params(spec: ModelSpec) -> dict[str, Param]:
    batch = spec.batch
    done_already = "Pictures that are done there already are skipped."
    return {
        "input": _folder("Input", "Folder or fsspec URL of the pictures.", spec.batch.input),
        "output": _folder("Output", f"Folder or fsspec URL of the results. {done_already}", spec.batch.output),
        "version": Param(
            None if batch.version is None else str(batch.version),
            type=["null", "string", "integer"],  # a number too, for whoever triggers by the API
            minimum=1,
            pattern=r"^[^/:\s]*$",
            title="Version",
            description="Number of a version, a label of the servers, or `newest`; empty: the version in service.",
        ),
        "sample": _number("Sample", "Do so many pictures only, to see what comes out.", batch.sample),
        "retry_failed": Param(
            batch.retry_failed,
            type="boolean",
            title="Retry failed",
            description="Try pictures again that failed before and have not changed.",
        ),
        "take_over": Param(
            batch.take_over,
            type="boolean",
            title="Take over the output",
            description="Replace results of another model or another input folder that are in the output folder.",
        ),
    }


def _folder(title: str, description: str, of_spec: str | None) -> Param:
    """A folder's field: a constant of the spec stands in it, a template is what an empty field means."""
    if of_spec is None or not is_template(of_spec):
        return _text(title, description, of_spec)
    return _text(title, f"{description} Empty: `{of_spec}`, rendered for the run.")


def _text(title: str, description: str, default: str | None = None) -> Param:
    """A field of a form that may stay empty."""
    return Param(default, type=["null", "string"], title=title, description=description)


def _number(title: str, description: str, default: int | None) -> Param:
    """Make a field for a whole number from 1 on; it may stay empty."""
    return Param(default, type=["null", "integer"], minimum=1, title=title, description=description)


def _base_path(spec: ModelSpec) -> str | None:
    return str(spec.release.model_base_path) if spec.release.model_base_path else None


def _server(spec: ModelSpec) -> dict[str, Any]:
    return {"model_server_conn_id": spec.airflow.server_conn_id, "servers": spec.release.servers or None}


def _pool(spec: ModelSpec) -> dict[str, Any]:
    return {"pool": spec.airflow.pool} if spec.airflow.pool else {}


def _common(spec: ModelSpec, *, weight: int | None = None) -> dict[str, Any]:
    priority = {} if weight is None else {"priority_weight": weight, "weight_rule": "absolute"}
    return {
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
