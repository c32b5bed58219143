"""Which pictures go through this model, and where the results go."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, NonNegativeFloat, PositiveInt

from tendies_ops.spec.base import SpecPart


class BatchSpec(SpecPart):
    """Defaults of the model's batch run; each can be changed when a run is triggered."""

    input: str | None = Field(None, description="folder or fsspec URL of the pictures")
    output: str | None = Field(None, description="folder or fsspec URL of the results")
    allowed_inputs: tuple[str, ...] = Field(
        (), description="further folders and URLs that the `input` of a run may be in, besides the one above"
    )
    allowed_outputs: tuple[str, ...] = Field(
        (), description="further folders and URLs that the `output` of a run may be in, besides the one above"
    )
    version: PositiveInt | Annotated[str, Field(pattern=r"^[^/:\s]+$")] | None = Field(
        None,
        description="number of a version, a label that the servers know, or `newest`; default the version in service",
    )
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    max_batch_size: PositiveInt = 32
    max_failed: NonNegativeFloat | None = Field(
        None,
        description="more failed pictures than this fail the run; a share when below 1; absent: a tenth, at least 1",
    )
    allow_empty: bool = False
