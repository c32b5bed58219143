"""Which faster forms of the network an export may take, and what they may cost in pixels."""

from __future__ import annotations

import difflib
from typing import Any, Literal, get_args

from pydantic import Field, NonNegativeFloat, PositiveFloat, field_validator, model_validator

from tendies_ops.spec.strict_model import SpecPart

RewriteName = Literal["fold", "bfloat16", "float16", "int8_weights"]
#: Every rewrite, in the order in which they are applied.
REWRITE_NAMES: tuple[RewriteName, ...] = get_args(RewriteName)
Wanted = Literal["none", "auto"] | tuple[RewriteName, ...]


class OptimizeSpec(SpecPart):
    """
    ``optimize: auto`` is short for ``optimize: {rewrites: auto}``, and so is a list of rewrites.

    The limits are the pixel gate: what an optimised version must hold against float32 on every golden image.
    """

    rewrites: Wanted = Field(
        "none", description="`none`, `auto` (the fastest that passes), or a list of named rewrites"
    )
    min_psnr_db: PositiveFloat = Field(35.0, description="least PSNR to float32 on every golden image")
    min_ssim: float = Field(0.98, ge=-1.0, le=1.0, description="least structural similarity to float32")
    max_seam: NonNegativeFloat = Field(
        1.5, description="largest mean change of a whole row or column of pixels against its neighbours, of 255"
    )
    min_levels: float = Field(
        0.85, ge=0.0, le=1.0, description="share of float32's different pixel values that must be left: less is banding"
    )
    min_gain: NonNegativeFloat = Field(0.02, description="`auto` keeps float32 unless it is faster by more than this")
    seconds_per_variant: PositiveFloat = Field(20.0, description="how long `auto` measures each variant, about")

    @model_validator(mode="before")
    @classmethod
    def _from_short_form(cls, value: Any) -> Any:
        return {"rewrites": value} if isinstance(value, str | list | tuple) else value

    @field_validator("rewrites", mode="before")
    @classmethod
    def _are_known(cls, value: Any) -> Any:
        """Say what there is, instead of what is wrong with each of the forms that a value may have."""
        names = value if isinstance(value, list | tuple) else [value]
        known = REWRITE_NAMES if isinstance(value, list | tuple) else get_args(get_args(Wanted)[0])
        for name in names:
            if name not in known:
                nearest = difflib.get_close_matches(str(name), REWRITE_NAMES, n=1)
                hint = f"; did you mean [{nearest[0]}]?" if nearest else ""
                raise ValueError(f"takes none, auto, or a list of {', '.join(REWRITE_NAMES)}{hint}")
        return value
