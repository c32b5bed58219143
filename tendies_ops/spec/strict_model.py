"""The base of every part of a spec: immutable, and strict about its keys."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class SpecPart(BaseModel):
    """
    An unknown key is an error: a typo must never become a silent default. So is NaN, which passes every limit.

    The text of a pydantic error does not repeat the input, which may hold what must not be shown.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True)
