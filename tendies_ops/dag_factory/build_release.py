"""``tendies_release_<model>``: from a checkpoint to a version in service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, AssetWatcher, BaseOperator, Param

from tendies_ops.dag_factory.batch_form import text_field
from tendies_ops.dag_factory.dag_arguments import RELEASE_WEIGHT, base_path, dag_arguments, server_arguments
from tendies_ops.dag_factory.dag_docs import release_docs
from tendies_ops.operators.assets import checkpoint_asset, model_asset
from tendies_ops.operators.export import ExportSavedModelOperator
from tendies_ops.operators.release import ReleaseModelVersionOperator
from tendies_ops.triggers.checkpoint import CheckpointTrigger

if TYPE_CHECKING:
    from airflow.sdk import Asset

    from tendies_ops.spec import ModelSpec

_SAVED_MODEL_DIR = "{{ ti.xcom_pull(task_ids='export')['saved_model_dir'] }}"
#: Empty after a no, so that a release that is cleared and run anyway has no approval.
_APPROVED_BY = (
    "{% set answer = ti.xcom_pull(task_ids='approve') %}"
    "{% if answer and answer['chosen_options'] == ['Approve'] %}{{ answer['responded_by_user']['name'] }}"
    "{% set words = (answer.get('params_input') or {}).get('reason') %}{{ ': ' ~ words if words else '' }}{% endif %}"
)


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
        **dag_arguments(spec, weight=RELEASE_WEIGHT),
    ) as dag:
        export = ExportSavedModelOperator(
            task_id="export",
            spec=spec,
            checkpoint="{{ params.checkpoint or '' }}",
            version="{{ params.version or '' }}",
            python=spec.airflow.python,
            timeout_s=spec.airflow.export_timeout_s,
            inlets=[checkpoint],
            **server_arguments(spec),
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
    """Return the arguments that review and release have in common."""
    return {
        "saved_model_dir": _SAVED_MODEL_DIR,
        "model_base_path": base_path(spec),
        "options": spec.release,
        "python": spec.airflow.python,
        "allow_operations": spec.source.allow_operations,
        "note": "{{ params.note or '' }}",
        **server_arguments(spec),
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
        "checkpoint": text_field(
            "Checkpoint", "Path of a checkpoint to release, instead of the newest that arrived or the spec's own."
        ),
        "version": Param(
            None,
            type=["null", "integer"],
            minimum=1,
            title="Version",
            description="Release this kept version again, such as one that was rolled back, instead of an export.",
        ),
        "note": Param(
            "",
            type="string",
            maxLength=1000,
            title="Note",
            description="Why. Recorded in the model's history.",
        ),
    }
