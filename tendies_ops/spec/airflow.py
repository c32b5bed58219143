"""The DAGs of a model."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, PositiveFloat, PositiveInt, StringConstraints

from tendies_ops.spec.dag_settings import BatchDagSettings, Cron, DagSettings
from tendies_ops.spec.source import Place
from tendies_ops.spec.templates import Fixed

#: Given here, they are those of the batches alone: a release and a rollback never wait for a batch's tasks.
_OF_BATCHES = ("pool", "pool_slots", "priority_weight")
IdPrefix = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]*$", max_length=50)]


class AirflowSpec(DagSettings):
    """Settings of all DAGs of a model, and of its release."""

    pool: str | None = Field(None, description="Airflow pool of a batch's tasks, never of a release or a rollback")
    pool_slots: PositiveInt = Field(1, description="slots that each of a batch's tasks takes in the pool")
    priority_weight: int | None = Field(None, description="absolute priority of a batch's tasks in the scheduler")
    dag_id_prefix: IdPrefix = Field("", description="start of the ids of all DAGs, such as a team's name")
    batch_cron: Cron | None = Field(None, description="cron expression of the batches, in `timezone`")
    shards: PositiveInt = Field(
        1, description="split a batch into tasks, up to this many of which run at a time, on any worker"
    )
    watch_dir: Annotated[Place | None, Fixed] = Field(
        None,
        description="directory or fsspec URL whose new checkpoints are released; the triggerer must see it",
    )
    watch_interval_s: PositiveFloat = Field(10.0, description="seconds between two polls of `watch_dir`")
    python: str | None = Field(None, description="interpreter that has TensorFlow; absent: Airflow's own")
    rehearse: bool = Field(True, description="prove a version in a child process before it is published")
    export_timeout_s: PositiveFloat = Field(1800.0, description="seconds after which an export is stopped")
    deferrable: bool | None = Field(
        None,
        description="a release waits for batch runs in the triggerer, which must see the model base path; absent: as "
        "Airflow's `[operators] default_deferrable`",
    )
    release: DagSettings = Field(DagSettings(), description="the same settings for the release DAG alone")
    rollback: DagSettings = Field(DagSettings(), description="the same settings for the rollback DAG alone")

    def of_release(self) -> DagSettings:
        """Return the settings of the release DAG."""
        return self._common().changed_by(self.release)

    def of_rollback(self) -> DagSettings:
        """Return the settings of the rollback DAG."""
        return self._common().changed_by(self.rollback)

    def of_tidy(self) -> DagSettings:
        """Return the settings of the DAG that tidies; a new one is paused, because it removes files."""
        settings = self._common()
        paused = True if settings.is_paused_upon_creation is None else settings.is_paused_upon_creation
        return settings.model_copy(update={"is_paused_upon_creation": paused})

    def of_batch(self, batch: BatchDagSettings) -> BatchDagSettings:
        """Return the settings of a batch's DAG: its own over those of all DAGs."""
        given = {"cron": self.batch_cron} if "batch_cron" in self.model_fields_set else {}
        return BatchDagSettings().changed_by(self).model_copy(update=given).changed_by(batch)

    def _common(self) -> DagSettings:
        return DagSettings().changed_by(self, leave_out=_OF_BATCHES)
