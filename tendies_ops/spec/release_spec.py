"""The terms on which a version of the model is put into service."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    create_model,
)

from tendies_ops.spec.login_settings import LoginSettings, NoLogin, ServerUrls
from tendies_ops.spec.strict_model import SpecPart
from tendies_ops.spec.templates import Fixed


class GateSpec(SpecPart):
    """Limits on the change of the pictures from the live version. Empty: any change is accepted."""

    min_ssim: float | None = Field(
        None, ge=-1.0, le=1.0, description="least structural similarity to the pictures of the live version, -1 to 1"
    )
    max_change: float | None = Field(None, ge=0.0, le=255.0, description="largest mean absolute change, of 255")
    review: bool = Field(False, description="wait until a user has approved the pictures")


class SwapLimits(SpecPart):
    """Limits on what the swap costs clients: a breach withdraws the version. Empty: it is only measured."""

    max_failed_requests: NonNegativeInt | None = Field(
        None, description="failed requests of the probe since the rename, on all replicas that answered before"
    )
    max_p99_ms: PositiveFloat | None = Field(
        None, description="p99 of the probe's requests while the version is swapped"
    )
    max_seconds_to_available: PositiveFloat | None = Field(
        None, description="seconds from the rename to AVAILABLE on the slowest replica"
    )


class ReleaseSpec(LoginSettings):
    """The place where a version is published, and what it must prove."""

    model_base_path: Annotated[Path | None, Fixed, NoLogin] = Field(
        None, description="the directory that Model Server watches"
    )
    servers: Annotated[ServerUrls, Fixed] = Field((), description="REST base URL of every replica")
    available_timeout_s: PositiveFloat = Field(
        180.0, description="seconds from the rename to AVAILABLE on every replica"
    )
    restore_timeout_s: PositiveFloat = Field(
        180.0, description="seconds until an earlier version serves everywhere, after a withdrawal or in a rollback"
    )
    unreachable_grace_s: PositiveFloat = Field(
        15.0, description="seconds that a replica that answered before may be silent before it counts as crashed"
    )
    tolerance: NonNegativeFloat = Field(2.0, description="largest difference to the promised pictures, of 255")
    gate: GateSpec = Field(
        GateSpec(),
        description="limits on the change of the pictures from the live version; empty: any change is accepted",
    )
    limits: SwapLimits = Field(
        SwapLimits(), description="limits on what the swap costs clients; empty: it is only measured"
    )
    memory: Literal["refuse", "load_anyway"] = Field(
        "refuse", description="if old and new version do not fit into the free memory of a replica's host"
    )
    lease_wait_s: NonNegativeFloat = Field(
        600.0, description="seconds to wait for batch runs that are using the version that serves"
    )
    model_config_file: Annotated[Path | None, Fixed] = Field(
        None, description="the --model_config_file that the replicas poll, to swap by labels instead of by directory"
    )
    keep_versions: PositiveInt = Field(5, description="versions to keep; older ones are removed")

    def changed(self, settings: Mapping[str, Any]) -> ReleaseSpec:
        """
        Return these terms with other settings, named as the fields of :class:`ReleaseSettings`.

        :raises ValidationError: a value is beyond its limits.
        """
        parts = {"gate": dict(self.gate), "limits": dict(self.limits)}
        whole = {**dict(self), **parts}
        for name, value in settings.items():
            part = next((part for part in parts.values() if name in part), whole)
            part[name] = value
        return ReleaseSpec.model_validate(whole)


def _flat(*models: type[BaseModel], leave_out: Collection[str]) -> type[BaseModel]:
    fields = {name: field for model in models for name, field in model.model_fields.items() if name not in leave_out}
    given = {name: (field.annotation, field) for name, field in fields.items()}
    return create_model("ReleaseSettings", __base__=SpecPart, **given)  # type: ignore[call-overload, no-any-return]


#: The settings of a release by name, those of the gate and the limits among them, for options and arguments.
ReleaseSettings = _flat(ReleaseSpec, GateSpec, SwapLimits, leave_out=("model_base_path", "servers", "gate", "limits"))
