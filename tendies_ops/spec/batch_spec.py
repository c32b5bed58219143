"""The pictures that go through a model, where the results go, and how."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, ValidatorFunctionWrapHandler, field_validator

from tendies_ops.spec.batch_settings import BatchSettings
from tendies_ops.spec.dag_settings import BatchDagSettings
from tendies_ops.spec.login_settings import NoLogin, ServerUrls, without_login
from tendies_ops.spec.partitions_spec import PartitionsSpec
from tendies_ops.spec.templates import Fixed, is_template, require_template, templates_in

_PLACES = ("input", "output")
#: What a template may be written for, in place of a value.
_RENDERED = (*_PLACES, *BatchSettings.model_fields)


class BatchSpec(BatchSettings):
    """
    Folders and settings of the model's batch runs; a run that is triggered may have others.

    Each setting may be a Jinja template in place of its value; it is validated when it has been rendered.
    """

    input: str | None = Field(None, description="folder or fsspec URL of the pictures")
    output: str | None = Field(None, description="folder or fsspec URL of the results")
    allowed_inputs: Annotated[tuple[str, ...], Fixed, NoLogin] = Field(
        (), description="further folders and URLs that the `input` of a run may be in"
    )
    allowed_outputs: Annotated[tuple[str, ...], Fixed, NoLogin] = Field(
        (), description="further folders and URLs that the `output` of a run may be in"
    )
    partitions: PartitionsSpec | None = Field(None, description="one run, one folder and one ledger for each key")
    servers: Annotated[ServerUrls, Fixed] = Field((), description="REST base URLs to use instead of `release.servers`")
    airflow: BatchDagSettings = Field(BatchDagSettings(), description="its DAG")

    @field_validator(*_RENDERED, mode="wrap")
    @classmethod
    def _may_be_a_template(cls, value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
        for _, text in templates_in("", value):
            require_template(text)
        return value if isinstance(value, str) and is_template(value) else validate(value)

    @field_validator(*_PLACES)
    @classmethod
    def _has_no_login(cls, value: Any) -> Any:
        return without_login(value)

    def changed_by(self, other: BatchSpec) -> BatchSpec:
        """Return this batch with what ``other`` was given."""
        given = {name: getattr(other, name) for name in other.model_fields_set}
        return self.model_copy(update={**given, "airflow": self.airflow.changed_by(other.airflow)})

    def templates(self) -> dict[str, str]:
        """Return the settings that Airflow renders, by their names; of a list one text."""
        return dict(pair for name in _RENDERED for pair in templates_in(name, getattr(self, name)))

    def fixed(self, name: str) -> Any:
        """Return a setting, or its default if it is a template."""
        return type(self).model_fields[name].default if name in self.templates() else getattr(self, name)
