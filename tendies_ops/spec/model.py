"""The model spec: one YAML file for each model, from checkpoint to schedule."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, StringConstraints, model_validator

from tendies_ops.spec.airflow import AirflowSpec
from tendies_ops.spec.batch_spec import BatchSpec
from tendies_ops.spec.contract import Contract
from tendies_ops.spec.optimize import OptimizeSpec
from tendies_ops.spec.partitions_spec import require_partitioned_folders
from tendies_ops.spec.release_spec import ReleaseSpec
from tendies_ops.spec.retention_spec import RetentionSpec
from tendies_ops.spec.source import SourceSpec
from tendies_ops.spec.strict_model import SpecPart
from tendies_ops.spec.templates import SettingsDisagreeError, dates_needed_by

ModelName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=100)]
#: Without a dot, which ends a DAG's id in the name of a batch run.
BatchName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=100)]


class ModelSpec(SpecPart):
    """All settings of one model."""

    model_name: ModelName
    description: str = ""
    source: SourceSpec
    contract: Contract = Contract()
    golden: tuple[Path, ...] = Field(
        (),
        description="pictures to prove the export with; absent: made by the exporter, and three of the batch",
    )
    tolerance: NonNegativeFloat = Field(1.0, description="largest difference between source and export, of 255")
    tensor_tolerance: NonNegativeFloat = Field(
        1e-4, description="the same for outputs that are not pictures: absolute, or relative if values exceed 1"
    )
    optimize: OptimizeSpec = OptimizeSpec()
    release: ReleaseSpec = ReleaseSpec()
    batch: BatchSpec = Field(
        BatchSpec(), description="the one batch of the model; with `batches`, what they have in common"
    )
    batches: dict[BatchName, BatchSpec] = Field(
        default_factory=dict, description="name -> batch with a DAG of its own; what it leaves out is as in `batch`"
    )
    retention: RetentionSpec | None = Field(
        None, description="what is kept of runs and releases; absent: everything, and there is no `tendies_tidy_` DAG"
    )
    airflow: AirflowSpec = AirflowSpec()

    @model_validator(mode="after")
    def _dates_are_there(self) -> ModelSpec:
        for name, batch in self.batches_by_name().items():
            if self.airflow.of_batch(batch.airflow).cron:
                continue
            for key, text in batch.templates().items():
                if dates := dates_needed_by(text):
                    at = ("batches", name, key) if name else ("batch", key)
                    raise SettingsDisagreeError(
                        f"`{'.'.join(at)}` uses `{min(dates)}`, which only scheduled runs have, and this batch has no "
                        "cron: give it one, or use `{{ dag_run.run_after | ds }}`, which every run has",
                        at,
                    )
        return self

    @model_validator(mode="after")
    def _partitions_have_folders(self) -> ModelSpec:
        for name, batch in self.batches_by_name().items():
            if batch.partitions is None:
                continue
            section = ("batches", name) if name else ("batch",)
            settings = self.airflow.of_batch(batch.airflow)
            if wrong := require_partitioned_folders({"input": batch.input, "output": batch.output}):
                raise SettingsDisagreeError(f"`{'.'.join(section)}.{wrong[0]}` {wrong[1]}", (*section, wrong[0]))
            for key in ("cron", "watch_input"):
                if getattr(settings, key):
                    raise SettingsDisagreeError(
                        f"`{'.'.join(section)}` has `partitions`, which say when it runs, and `{key}` of its DAG as "
                        f"well: remove `{key}`, or set it to {'null' if key == 'cron' else 'false'} in this batch",
                        (*section, "partitions"),
                    )
        return self

    def batches_by_name(self) -> dict[str, BatchSpec]:
        """Return all batches; the name of the only one of a spec without ``batches`` is empty."""
        return {name: self.batch.changed_by(batch) for name, batch in self.batches.items()} or {"": self.batch}

    def for_export(self) -> ModelSpec:
        """Return the spec without what an export does not use, so that other settings do not change its task."""
        load = {name: getattr(self.batch, name) for name in self.batch.model_fields_set & {"max_batch_size"}}
        if folders := [place for batch in self.batches_by_name().values() if (place := batch.fixed("input"))]:
            load["input"] = folders[0]
        without = {
            "batch": BatchSpec(**load),
            "batches": {},
            "retention": None,
            "airflow": AirflowSpec(watch_dir=self.airflow.watch_dir),
        }
        return self.model_copy(update=without)

    def dag_id(self, kind: Literal["release", "batch", "rollback", "tidy"], batch: str = "") -> str:
        """Return the id of one of the model's DAGs."""
        name = f"{self.airflow.dag_id_prefix}tendies_{kind}_{self.model_name}"
        return f"{name}__{batch}" if batch else name
