"""How a version of this model is put into service."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from tendies_ops.spec.base import SpecPart


class GateSpec(SpecPart):
    """How far the candidate's pictures may be from the live version's. Empty: any change is welcome."""

    min_ssim: float | None = Field(None, ge=-1.0, le=1.0)
    max_change: float | None = Field(None, ge=0.0, le=255.0, description="mean absolute change, of 255")
    review: bool = Field(False, description="a person approves with the pictures in view")


class ReleaseSpec(SpecPart):
    """Where it goes, and what it must prove."""

    model_base_path: Path | None = Field(None, description="the directory that Model Server watches")
    servers: tuple[str, ...] = Field((), description="REST base URL of every replica")
    available_timeout_s: PositiveFloat = Field(180.0, description="from the rename to AVAILABLE on every replica")
    tolerance: NonNegativeFloat = Field(2.0, description="largest difference to the promised pictures, of 255")
    gate: GateSpec = GateSpec()
    keep_versions: PositiveInt = 5
