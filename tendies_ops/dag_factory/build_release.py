"""``tendies_release_<model>``: from a checkpoint to a version in service."""

from __future__ import annotations

import itertools
from typing import Any

from airflow.sdk import DAG, Asset, AssetWatcher, BaseOperator, TaskGroup

from tendies_ops.dag_factory.callbacks import notifiers
from tendies_ops.dag_factory.dag_arguments import RELEASE_WEIGHT, base_path, make_dag, server_arguments
from tendies_ops.dag_factory.dag_docs import release_docs
from tendies_ops.dag_factory.forms import release_params
from tendies_ops.operators.assets import checkpoint_asset, model_asset
from tendies_ops.operators.export import ExportSavedModelOperator
from tendies_ops.operators.release import ReleaseModelVersionOperator
from tendies_ops.spec import ModelSpec
from tendies_ops.triggers.checkpoint import CheckpointTrigger


def release_dag(spec: ModelSpec) -> DAG:
    """
    Make ``tendies_release_<model>``: checkpoint -> export (-> review -> a user approves) -> release.

    :raises SpecError: the spec names something that Airflow does not have.
    """
    checkpoint = _checkpoint_asset(spec)
    settings = spec.airflow.of_release()
    with make_dag(
        settings,
        weight=RELEASE_WEIGHT,
        dag_id=spec.dag_id("release"),
        schedule=[checkpoint],
        description=f"Release {spec.model_name} to Model Server",
        doc_md=release_docs(spec),
        params=release_params(),
    ) as dag:
        _add_tasks(
            spec, checkpoint, "{{ params.checkpoint or '' }}", "{{ params.note or '' }}", "{{ params.version or '' }}"
        )
    return dag


def release_group(spec: ModelSpec, *, group_id: str = "release", checkpoint: str = "", note: str = "") -> TaskGroup:
    """
    Make a task group, for a DAG of one's own, that does what the release DAG of a spec does.

    :param checkpoint: checkpoint instead of the spec's own, which may be a template.
    :param note: why it is released, which may be a template.
    """
    with TaskGroup(group_id=group_id) as group:
        _add_tasks(spec, _checkpoint_asset(spec), checkpoint, note)
    return group


def _add_tasks(spec: ModelSpec, checkpoint_events: Asset, checkpoint: str, note: str, version: str = "") -> None:
    settings, asks = spec.airflow, spec.release.gate.review
    export = ExportSavedModelOperator(
        task_id="export",
        spec=spec.for_export(),
        checkpoint=checkpoint,
        version=version,
        python=settings.python,
        timeout_s=settings.export_timeout_s,
        inlets=[checkpoint_events],
        **server_arguments(spec, settings.of_release()),
    )
    candidate = _candidate_arguments(spec, export, note)
    waits: dict[str, Any] = {} if settings.deferrable is None else {"deferrable": settings.deferrable}
    before = _review_tasks(spec, candidate) if asks else []
    release = ReleaseModelVersionOperator(
        task_id="release",
        rehearse=settings.rehearse and not asks,  # the review has rehearsed it
        approved_by=_approved_by(before[-1].task_id) if before else "",
        outlets=[model_asset(spec.model_name)],
        **waits,
        **candidate,
    )
    for first, second in itertools.pairwise([export, *before, release]):
        first >> second


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


def _candidate_arguments(spec: ModelSpec, export: BaseOperator, note: str) -> dict[str, Any]:
    """Return the arguments that review and release have in common."""
    return {
        "saved_model_dir": f"{{{{ ti.xcom_pull(task_ids='{export.task_id}')['saved_model_dir'] }}}}",
        "model_base_path": base_path(spec),
        "options": spec.release,
        "python": spec.airflow.python,
        "allow_operations": spec.source.allow_operations,
        "note": note,
        **server_arguments(spec, spec.airflow.of_release()),
    }


def _approved_by(task_id: str) -> str:
    """
    Return the template of who approved, and why.

    It is empty after a rejection, so that a release that is cleared and run all the same finds itself unapproved.
    """
    return (
        f"{{% set answer = ti.xcom_pull(task_ids='{task_id}') %}}"
        "{% if answer and answer['chosen_options'] == ['Approve'] %}{{ answer['responded_by_user']['name'] }}"
        "{% set words = (answer.get('params_input') or {}).get('reason') %}{{ ': ' ~ words if words else '' }}"
        "{% endif %}"
    )


def _review_tasks(spec: ModelSpec, candidate: dict[str, Any]) -> list[BaseOperator]:
    """Make the tasks that let a user see the new pictures before anyone else. A rejection withdraws the candidate."""
    from tendies_ops.operators.review import (  # only DAGs that ask for approval pay for it
        ApproveReleaseOperator,
        ReviewModelVersionOperator,
    )

    review = ReviewModelVersionOperator(task_id="review", rehearse=spec.airflow.rehearse, **candidate)
    reviewed = f"ti.xcom_pull(task_ids='{review.task_id}')"
    approve = ApproveReleaseOperator(
        task_id="approve",
        subject=f"Release the new version of {spec.model_name}?",
        body=f"{{{{ {reviewed}['markdown'] }}}}",
        saved_model_dir=candidate["saved_model_dir"],
        model_base_path=f"{{{{ {reviewed}['model_base_path'] }}}}",
        notifiers=notifiers(spec.airflow.of_release().notify.on_approval),
        execution_timeout=None,
    )
    return [review, approve]
