"""``tendies release``."""

from __future__ import annotations

import contextlib
import tempfile
import threading
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from tendies_ops.cli.interrupts import stop_on_signals
from tendies_ops.cli.output import EXIT_DONE, console, error_console, print_json
from tendies_ops.errors import UsageError
from tendies_ops.release import ReleaseReport, rehearse, release_model
from tendies_ops.spec import ModelSpec, ReleaseSpec, load_spec


def release_command(  # noqa: PLR0913  # one for each option
    spec_or_dir: Annotated[
        Path, typer.Argument(metavar="SPEC_OR_DIR", help="Model spec (it is exported first) or SavedModel directory.")
    ],
    *,
    model_base_path: Annotated[
        Path | None, typer.Option(help="The directory that Model Server watches; absent: the spec's.")
    ] = None,
    server: Annotated[list[str] | None, typer.Option(help="REST base URL of a replica; once for each.")] = None,
    timeout_s: Annotated[
        float | None, typer.Option(help="From the rename to AVAILABLE on every replica; absent: the spec's, or 180.")
    ] = None,
    model_config_file: Annotated[
        Path | None, typer.Option(help="Swap by the labels in this file, which the servers poll; absent: the spec's.")
    ] = None,
    keep_versions: Annotated[
        int | None, typer.Option(min=1, help="How many versions to keep; absent: the spec's, or 5.")
    ] = None,
    review: Annotated[bool, typer.Option("--review", help="A person looks at the pictures first.")] = False,
    approved_by: Annotated[
        str, typer.Option(help="Who has looked at the pictures, where the spec's gate asks for a review.")
    ] = "",
    rehearsal: Annotated[
        bool, typer.Option(help="Serve it alone first, in a process of its own, and prove it there (needs TensorFlow).")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """
    Release a model: publish, wait until every replica serves it, prove it with golden images, or take it back.

    What an earlier release that was killed has left is put in order first.

    Example: tendies release examples/models/brush_strokes.yaml --model-base-path /models/brush_strokes
    --server http://localhost:8501
    """
    spec = load_spec(spec_or_dir) if _is_spec(spec_or_dir) else None
    options = _options(
        ReleaseSpec() if spec is None else spec.release,
        available_timeout_s=timeout_s,
        model_config_file=model_config_file,
        keep_versions=keep_versions,
    )
    if review:
        options = _options(options, gate=options.gate.model_copy(update={"review": True}))
    base = model_base_path or options.model_base_path
    if base is None:
        raise UsageError("Say where Model Server looks for versions: --model-base-path BASE.")
    with stop_on_signals() as cancelled, contextlib.ExitStack() as stack:
        saved_model_dir = spec_or_dir if spec is None else _export(spec, stack, cancelled)
        report = release_model(
            saved_model_dir,
            base,
            server or options.servers,
            options=options,
            check_loads=partial(rehearse, tolerance=options.tolerance, cancelled=cancelled) if rehearsal else None,
            approved_by=approved_by,
            cancelled=cancelled,
            on_step=_say,
        )
    print_json(report.summary()) if as_json else print_report(report)
    return EXIT_DONE


def print_report(report: ReleaseReport) -> None:
    """What a person wants to know at the end."""
    words = {"released": "is released", "already_serving": "was serving already", "rolled_back": "serves again"}
    console.print(f"Version {report.version} of {report.model_name} {words[report.state]}.", markup=False)
    for replica in report.replicas:
        console.print(
            f"  {replica.server}: AVAILABLE after {replica.seconds_to_available:.1f} s, {replica.golden_images} golden "
            f"images as promised (largest difference {replica.max_difference:g})",
            markup=False,
        )
    if report.swap.get("requests"):
        during = report.swap["during"].get("p99_ms", report.swap["after"].get("p99_ms", "-"))
        console.print(
            f"  the swap cost {report.swap['failed']} of {report.swap['requests']} requests; p99 {during} ms meanwhile",
            markup=False,
        )
    previous = report.previous_version
    console.print(f"  before: {'no version' if previous is None else f'version {previous}'}", markup=False)


def _is_spec(path: Path) -> bool:
    if path.is_dir():
        return False
    if path.suffix in {".yaml", ".yml"}:
        return True
    raise UsageError(f"{path} is neither a SavedModel directory nor a model spec (a .yaml file).")


def _options(options: ReleaseSpec, **changes: Any) -> ReleaseSpec:
    """The spec's options with what the command line says."""
    return options.model_copy(update={name: value for name, value in changes.items() if value is not None})


def _export(spec: ModelSpec, stack: contextlib.ExitStack, cancelled: threading.Event) -> Path:
    """Into a folder that goes with the stack."""
    from tendies_ops.export import export_model

    _say(f"Exporting {spec.model_name}")
    scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="tendies-export-"))
    return export_model(spec, Path(scratch) / "saved_model", cancelled=cancelled).saved_model_dir


def _say(words: str) -> None:
    error_console.print(words, markup=False)
