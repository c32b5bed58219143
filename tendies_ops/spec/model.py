"""The model spec: one YAML file a model, from checkpoint to schedule."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, NonNegativeFloat, StringConstraints

from tendies_ops.spec.airflow import AirflowSpec
from tendies_ops.spec.batch import BatchSpec
from tendies_ops.spec.contract import Contract
from tendies_ops.spec.optimize import OptimizeSpec
from tendies_ops.spec.release import ReleaseSpec
from tendies_ops.spec.source import SourceSpec
from tendies_ops.spec.strict_model import SpecPart

ModelName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=100)]


class ModelSpec(SpecPart):
    """Everything that tendies knows about one model."""

    model_name: ModelName
    description: str = ""
    source: SourceSpec
    contract: Contract = Contract()
    golden: tuple[Path, ...] = Field((), description="pictures to prove the export on; absent: made by the exporter")
    tolerance: NonNegativeFloat = Field(1.0, description="largest difference between source and export, of 255")
    tensor_tolerance: NonNegativeFloat = Field(
        1e-4, description="the same for outputs that are no pictures: absolute, or relative where values exceed 1"
    )
    optimize: OptimizeSpec = OptimizeSpec()
    release: ReleaseSpec = ReleaseSpec()
    batch: BatchSpec = BatchSpec()
    airflow: AirflowSpec = AirflowSpec()
