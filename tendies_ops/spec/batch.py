"""The pictures that go through a model, where the results go, and how."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator

from tendies_ops.spec.batch_settings import BatchSettings
from tendies_ops.spec.login_settings import without_login
from tendies_ops.spec.templates import require_template


class BatchSpec(BatchSettings):
    """Folders and settings of the model's batch runs; a run that is triggered may have others."""

    input: str | None = Field(None, description="folder or fsspec URL of the pictures; Airflow renders Jinja in it")
    output: str | None = Field(None, description="folder or fsspec URL of the results; Airflow renders Jinja in it")
    allowed_inputs: tuple[str, ...] = Field(
        (), description="further folders and URLs that the `input` of a run may be in, besides the one above"
    )
    allowed_outputs: tuple[str, ...] = Field(
        (), description="further folders and URLs that the `output` of a run may be in, besides the one above"
    )

    @field_validator("input", "output")
    @classmethod
    def _is_a_template(cls, text: str | None) -> str | None:
        require_template(text or "")
        return text

    @field_validator("input", "output", "allowed_inputs", "allowed_outputs")
    @classmethod
    def _has_no_login(cls, value: Any) -> Any:
        return without_login(value)
