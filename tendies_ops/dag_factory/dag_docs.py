"""The text under "Docs" of a DAG in the UI: its model, when it runs, and what it does."""

from __future__ import annotations

from tendies_ops.spec import DagSettings, ModelSpec

_RELEASE = """\
# Release of {name}

{about}

## When it runs

* {watching}
* On an event of the asset `tendies://checkpoint/{name}` whose extra is `{{"checkpoint": "PATH"}}`.
* By the Trigger button, with a form.

## What it does

Exports the checkpoint, publishes it below `{base_path}`, waits up to {timeout_s:g} s until every replica serves it, and
compares the replicas' answers with the pictures that the export promised (up to {tolerance:g} of 255 apart).
If any of that fails, the version is withdrawn and the previous one serves.
{review}
Versions, runs, before and after: [the model's page](plugin/tendies/tendies/models/{name}).

{contract}
"""

_BATCH = """\
# Pictures through {name}{of_batch}

{about}

## When it runs

{cron}{on_release}* When pictures have arrived (an event of `{pictures}`).
* By the Trigger button, with a form.

## What it does

From `{input}` to `{output}`. Pictures that were done with the same model and options are skipped;
a broken picture costs one picture, and {limit}. The ledger and the reports are in `.tendies` below the output.

Versions, runs, before and after: [the model's page](plugin/tendies/tendies/models/{name}).

{contract}
"""

_CONTRACT = """\
## Contract

| | takes | gives |
|---|---|---|
| files | PNG or JPEG, {size} | {kind} |
| channels | {channels}, {order_in} | {order_out} |
| values of the network | {values_in} | {values_out} |
"""


def release_docs(spec: ModelSpec) -> str:
    """Return the Markdown for the release DAG."""
    watched = spec.airflow.watch_dir
    return _RELEASE.format(
        name=spec.model_name,
        about=_about(spec, spec.airflow.of_release()),
        watching=f"Automatically, when a complete new checkpoint appears in `{watched}`." if watched else _NOT_WATCHED,
        base_path=spec.release.model_base_path or "the connection's model base path",
        timeout_s=spec.release.available_timeout_s,
        tolerance=spec.release.tolerance,
        review=_REVIEW if spec.release.gate.review else "",
        contract=_contract(spec),
    )


_REVIEW = """
Before it is published, a user reviews its pictures next to those of the version that serves, and approves or
rejects it: on the model's page, or under *Required Actions* of the task `approve`.
"""
_NOT_WATCHED = "No directory is watched; `airflow.watch_dir` in the model's spec would name one."


def batch_docs(spec: ModelSpec, name: str = "") -> str:
    """Return the Markdown for a batch DAG."""
    batch = spec.batches_by_name()[name]
    settings = spec.airflow.of_batch(batch.airflow)
    zone = settings.timezone or "Airflow's default time zone"
    released = f"* When another version is released (`tendies://model/{spec.model_name}`).\n"
    return _BATCH.format(
        name=spec.model_name,
        of_batch=f": {name}" if name else "",
        about=_about(spec, settings),
        cron=f"* At `{settings.cron}` ({zone}).\n" if settings.cron else "",
        on_release=released if settings.on_release else "",
        pictures=f"tendies://pictures/{spec.model_name}" + (f"/{name}" if name else ""),
        input=batch.input or "the folder given in the form",
        output=batch.output or "the folder given in the form",
        limit=_limit(batch.fixed("max_failed")),
        contract=_contract(spec),
    )


def _limit(max_failed: float | None) -> str:
    """Return from how many failed pictures on the batch fails."""
    if max_failed is None:
        return "the batch fails if more than a tenth of all pictures, and more than one, failed"
    limit = f"{max_failed:.3g} of all pictures" if 0 < max_failed < 1 else f"{max_failed:g} pictures"
    return f"the batch fails if more than {limit} failed"


def _about(spec: ModelSpec, settings: DagSettings) -> str:
    return settings.description or spec.description or "The spec has no description."


def _contract(spec: ModelSpec) -> str:
    taken, given = spec.contract.input, spec.contract.output
    makes_files = given.kind in ("image", "segmentation")
    return _CONTRACT.format(
        size=f"{taken.size.height} x {taken.size.width} pixels" if taken.size else "any size",
        kind=f"{given.kind}, as {given.format}" if makes_files else given.kind,
        channels=taken.channels,
        order_in=taken.color_order,
        order_out=given.color_order if given.kind == "image" else "-",
        values_in="0 to 255" if taken.dtype == "uint8" else f"{taken.range.low:g} to {taken.range.high:g}",
        values_out=f"{given.range.low:g} to {given.range.high:g}" if given.kind == "image" else "-",
    )
