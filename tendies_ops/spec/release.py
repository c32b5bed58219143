"""How a version of this model is put into service."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, field_validator

from tendies_ops.spec.base import SpecPart
from tendies_ops.spec.idle_window import IdleWindow


class GateSpec(SpecPart):
    """How far the candidate's pictures may be from the live version's. Empty: any change is welcome."""

    min_ssim: float | None = Field(None, ge=-1.0, le=1.0)
    max_change: float | None = Field(None, ge=0.0, le=255.0, description="mean absolute change, of 255")
    review: bool = Field(False, description="a person approves with the pictures in view")


class SwapLimits(SpecPart):
    """What the swap may cost those who use the model: a breach takes the version back. Empty: it is only measured."""

    max_failed_requests: NonNegativeInt | None = Field(
        None, description="of the probe's requests since the rename, on all replicas that answered before"
    )
    max_p99_ms: PositiveFloat | None = Field(None, description="of the probe's requests while the version is swapped")
    max_seconds_to_available: PositiveFloat | None = Field(None, description="from the rename, on the slowest replica")


class ReleaseSpec(SpecPart):
    """Where it goes, and what it must prove."""

    model_base_path: Path | None = Field(None, description="the directory that Model Server watches")
    servers: tuple[str, ...] = Field((), description="REST base URL of every replica")
    available_timeout_s: PositiveFloat = Field(180.0, description="from the rename to AVAILABLE on every replica")
    restore_timeout_s: PositiveFloat = Field(
        180.0, description="after a withdrawal: until the previous version serves everywhere"
    )
    unreachable_grace_s: PositiveFloat = Field(
        15.0, description="how long a replica that answered before may be silent before it counts as crashed"
    )
    tolerance: NonNegativeFloat = Field(2.0, description="largest difference to the promised pictures, of 255")
    gate: GateSpec = GateSpec()
    limits: SwapLimits = SwapLimits()
    memory: Literal["refuse", "unload_first", "load_anyway"] = Field(
        "refuse", description="what to do when old and new version do not fit into the free memory of a replica's host"
    )
    idle_window: str | None = Field(
        None,
        description="when `memory: unload_first` may leave a gap, such as `02:00-04:00 Europe/Berlin`; else any time",
    )
    lease_wait_s: NonNegativeFloat = Field(
        600.0, description="how long to wait for batch runs that are using the version that serves"
    )
    model_config_file: Path | None = Field(
        None, description="the --model_config_file that the replicas poll, to swap by labels instead of by directory"
    )
    keep_versions: PositiveInt = 5

    @field_validator("idle_window")
    @classmethod
    def _is_a_window(cls, text: str | None) -> str | None:
        if text is not None:
            IdleWindow.parse(text)
        return text
