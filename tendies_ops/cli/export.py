from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from tendies_ops.cli.arguments import takes_login
from tendies_ops.cli.output import console, print_json
from tendies_ops.credentials import NO_CREDENTIALS, Credentials
from tendies_ops.errors import UsageError
from tendies_ops.spec import PRECISIONS, Manifest, ModelSpec, OptimizeSpec, load_spec

_OPTIMIZE_HELP = "precision of the network; auto: the fastest that passes on this machine; default: the spec's"


@takes_login
def export_command(  # noqa: PLR0913, PLR0917 - typer reads the parameters as options
    spec: Annotated[Path, typer.Argument(help="model spec (YAML)", metavar="SPEC")],
    output: Annotated[Path, typer.Option("--output", "-o", help="the SavedModel directory to make")],
    checkpoint: Annotated[
        str | None, typer.Option(help="take this path or URL instead of the spec's checkpoint")
    ] = None,
    python: Annotated[str | None, typer.Option(help="interpreter that has TensorFlow; default: this one")] = None,
    timeout_s: Annotated[
        float, typer.Option("--timeout-s", "--timeout", help="seconds after which the export is stopped", min=1.0)
    ] = 1800.0,
    server: Annotated[str | None, typer.Option(help="URL of a Model Server with this model, to compare with")] = None,
    optimize: Annotated[str | None, typer.Option(help=_OPTIMIZE_HELP, metavar="|".join(PRECISIONS))] = None,
    explain: Annotated[bool, typer.Option("--explain", help="print one picture's values after each step")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="fail where the numbers speak against the contract")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print the manifest as JSON")] = False,
    credentials: Credentials = NO_CREDENTIALS,
) -> int:
    """
    Turn a checkpoint into a SavedModel directory with a manifest, proved to compute the same.

    Example: tendies export examples/models/brush_strokes.yaml --output build/brush_strokes
    """
    from tendies_ops.export import export_model

    result = export_model(
        with_precision(load_spec(spec), optimize),
        output,
        checkpoint=checkpoint,
        python=python,
        timeout_s=timeout_s,
        server_url=server,
        credentials=credentials,
        explain=explain,
        strict=strict,
        on_line=None if as_json else lambda line: console.print(line, markup=False),
    )
    directory, manifest = result.saved_model_dir, result.manifest
    if as_json:
        print_json({"saved_model_dir": str(directory), "manifest": manifest.model_dump(mode="json")})
    else:
        _print_summary(directory, manifest)
    return 0


def with_precision(spec: ModelSpec, wanted: str | None) -> ModelSpec:
    """
    Let the command line override ``optimize.precision``; the spec's limits stay.

    :raises UsageError: there is no such precision.
    """
    if wanted is None:
        return spec
    try:
        optimize = OptimizeSpec.model_validate({**spec.optimize.model_dump(), "precision": wanted})
    except ValidationError:
        raise UsageError(f"--optimize takes one of {', '.join(PRECISIONS)}; found {wanted!r}.") from None
    return spec.model_copy(update={"optimize": optimize})


def _print_summary(directory: Path, manifest: Manifest) -> None:
    units = sorted({entry.unit for entry in manifest.parity})
    worst = {unit: max(entry.max_abs for entry in manifest.parity if entry.unit == unit) for unit in units}
    words = {"of_255": "of 255", "absolute": "in tensors"}
    proof = ", ".join(f"{value:g} {words[unit]}" for unit, value in worst.items()) or "nothing to compare"
    console.print(f"{manifest.model_name} is at {directory}", markup=False)
    console.print(f"digest {manifest.model_digest}", markup=False)
    console.print(f"largest difference to the source on {len(manifest.golden)} golden images: {proof}")
    doubts = len(manifest.doubts)
    if doubts:
        what = "1 warning" if doubts == 1 else f"{doubts} warnings"
        console.print(f"{what} about the contract, above: the proof cannot show whether it is right", markup=False)
