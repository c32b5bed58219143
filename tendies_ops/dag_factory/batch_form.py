"""The forms of the Trigger button."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import Param

from tendies_ops.spec.templates import is_template

if TYPE_CHECKING:
    from tendies_ops.spec import ModelSpec


def batch_params(spec: ModelSpec) -> dict[str, Param]:
    """Return the fields of the batch DAG's form."""
    batch = spec.batch
    done_already = "Pictures that are done there already are skipped."
    return {
        "input": _folder("Input", "Folder or fsspec URL of the pictures.", spec.batch.input),
        "output": _folder("Output", f"Folder or fsspec URL of the results. {done_already}", spec.batch.output),
        "version": Param(
            None if batch.version is None else str(batch.version),
            type=["null", "string", "integer"],  # a number too, for triggers through the API
            minimum=1,
            pattern=r"^[^/:\s]*$",
            title="Version",
            description="Number of a version, a label of the servers, or `newest`; empty: the version in service.",
        ),
        "sample": _number("Sample", "Do so many pictures only, to see what comes out.", batch.sample),
        "retry_failed": Param(
            batch.retry_failed,
            type="boolean",
            title="Retry failed",
            description="Try pictures again that failed before and have not changed.",
        ),
        "take_over": Param(
            batch.take_over,
            type="boolean",
            title="Take over the output",
            description="Replace results of another model or another input folder that are in the output folder.",
        ),
    }


def _folder(title: str, description: str, of_spec: str | None) -> Param:
    """A folder's field: a constant of the spec stands in it, a template is what an empty field means."""
    if of_spec is None or not is_template(of_spec):
        return text_field(title, description, of_spec)
    return text_field(title, f"{description} Empty: `{of_spec}`, rendered for the run.")


def text_field(title: str, description: str, default: str | None = None) -> Param:
    """A field of a form that may stay empty."""
    return Param(default, type=["null", "string"], title=title, description=description)


def _number(title: str, description: str, default: int | None) -> Param:
    """Make a field for a whole number from 1 on; it may stay empty."""
    return Param(default, type=["null", "integer"], minimum=1, title=title, description=description)
