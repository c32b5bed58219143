"""In which precision an export may compute, and what that may cost in pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import Field, NonNegativeFloat, PositiveFloat, model_validator

from tendies_ops.spec.strict_model import SpecPart

Precision = Literal["float32", "auto", "bfloat16", "float16"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)


class OptimizeSpec(SpecPart):
    """
    ``optimize: auto`` is short for ``optimize: {precision: auto}``.

    The limits are the pixel gate: what an optimised version must hold against float32 on every picture.
    """

    precision: Precision = Field(
        "float32", description="`float32`, `bfloat16`, `float16`, or `auto`: the fastest that passes on this machine"
    )
    photos: Path | None = Field(
        None, description="folder of photographs that the gate judges as well, forty at most; absent: the batch's input"
    )
    min_psnr_db: PositiveFloat = Field(35.0, description="least PSNR to float32 on every golden image and photograph")
    min_ssim: float = Field(0.98, ge=-1.0, le=1.0, description="least structural similarity to float32")
    max_seam: NonNegativeFloat = Field(
        1.5, description="largest mean change of a whole row or column of pixels against its neighbours, of 255"
    )
    min_levels: float = Field(
        0.85, ge=0.0, le=1.0, description="share of float32's different pixel values that must be left: less is banding"
    )
    min_gain: NonNegativeFloat = Field(0.02, description="`auto` keeps float32 unless it is faster by more than this")
    seconds_per_variant: PositiveFloat = Field(20.0, description="how long `auto` measures each precision, about")

    @model_validator(mode="before")
    @classmethod
    def _from_short_form(cls, value: Any) -> Any:
        return {"precision": value} if isinstance(value, str) else value
