"""The forms of the Trigger button."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow.sdk import Param

from tendies_ops.dag_factory.parameter_fields import parameter_fields
from tendies_ops.spec import BatchSpec
from tendies_ops.spec.parameters import ExtraInput
from tendies_ops.spec.templates import is_template


def value_or_template(name: str, of_spec: Any) -> str:
    """
    Return the template of a setting that the form may change: the value that the run was given, else the spec's.

    A Param is never rendered, so a user who triggers a run writes no Jinja. A constant of the spec is the default of
    the Param.
    """
    given = f"params.{name}"
    if not _is_template(of_spec):
        return f"{{{{ {given} if {given} is not none else '' }}}}"
    return f"{{% if {given} is not none and {given} != '' %}}{{{{ {given} }}}}{{% else %}}{of_spec}{{% endif %}}"


def release_params() -> dict[str, Param]:
    """Return the fields of a release DAG's form."""
    return {
        "checkpoint": _field(
            "Checkpoint",
            "Path of a checkpoint to release, instead of the newest that arrived or the spec's own.",
            None,
            "string",
        ),
        "version": _field(
            "Version",
            "Release this kept version again, such as one that was rolled back, instead of an export.",
            None,
            "integer",
            minimum=1,
        ),
        "note": Param(
            "",
            type="string",
            maxLength=1000,
            title="Note",
            description="Reason for the release. It is recorded in the model's history.",
        ),
    }


def batch_params(
    batch: BatchSpec, more: Mapping[str, Any], inputs: Mapping[str, ExtraInput] | None = None
) -> dict[str, Param]:
    """
    Return the fields of a batch DAG's form.

    :param more: further fields of the spec: name -> default, or a JSON schema with ``default``.
    :param inputs: what the model takes besides the picture, by name.
    """
    version = batch.version
    return {
        **{name: _param(name, value) for name, value in more.items()},
        **_places(batch),
        **parameter_fields(inputs or {}, batch),
        "version": _field(
            "Version",
            "Number of a version, a label of the servers, or `newest`; empty: the version in service.",
            str(version) if isinstance(version, int) else version,
            "string",
            "integer",  # for those who trigger by the API
            minimum=1,
            pattern=r"^[^/:\s]*$",
        ),
        "sample": _field(
            "Sample", "Process only this many pictures, to see what comes out.", batch.sample, "integer", minimum=1
        ),
        "retry_failed": _switch("Retry failed", "Retry failed pictures that have not changed.", batch.retry_failed),
        "take_over": _switch(
            "Take over the output",
            "Replace results of another model or another input folder that are in the output folder.",
            batch.take_over,
        ),
    }


def _places(batch: BatchSpec) -> dict[str, Param]:
    """Return the fields of the folders; the partition of a partitioned batch, which has both."""
    if batch.partitions is not None:
        missing = "the newest that is over" if batch.partitions.every else "an error"
        text = (
            f"Key of a partition, if the run has none of its own, such as by `airflow dags trigger`. Empty: {missing}."
        )
        return {"partition": _field("Partition", text, None, "string")}
    skipped = "Pictures that are done there already are skipped."
    return {
        "input": _field("Input", "Folder or fsspec URL of the pictures.", batch.input, "string"),
        "output": _field("Output", f"Folder or fsspec URL of the results. {skipped}", batch.output, "string"),
    }


def _field(title: str, description: str, of_spec: Any, *types: str, **schema: Any) -> Param:
    """Make a field that may stay empty. A constant of the spec is in it; a template is what an empty field means."""
    if _is_template(of_spec):
        description, of_spec = f"{description} Empty: `{of_spec}`, rendered for the run.", None
    return Param(of_spec, type=["null", *types], title=title, description=description, **schema)


def _switch(title: str, description: str, of_spec: Any) -> Param:
    if _is_template(of_spec):
        return _field(title, description, of_spec, "boolean")
    return Param(of_spec, type="boolean", title=title, description=description)


def _param(name: str, value: Any) -> Param:
    if isinstance(value, Mapping) and "default" in value:
        return Param(**{"title": name, **value})
    return Param(value, title=name)


def _is_template(value: Any) -> bool:
    return isinstance(value, str) and is_template(value)
