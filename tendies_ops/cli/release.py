from __future__ import annotations

import contextlib
import threading
from functools import partial
from pathlib import Path

from tendies_ops.cli.arguments import takes
from tendies_ops.cli.interrupts import stop_on_signals
from tendies_ops.cli.output import EXIT_DONE, console, error_console, print_json
from tendies_ops.cli.release_arguments import RELEASE_SETTINGS, ReleaseArguments
from tendies_ops.credentials import credentials_of_environment
from tendies_ops.errors import UsageError
from tendies_ops.graphs import require_computing_model
from tendies_ops.publish.layout import ensure_base_path
from tendies_ops.publish.scratch import ScratchFolder
from tendies_ops.release import ReleaseReport, check_servers, rehearse, release_model
from tendies_ops.spec import ModelSpec, ReleaseSpec


@takes(ReleaseArguments, RELEASE_SETTINGS)
def release_command(arguments: ReleaseArguments) -> int:
    """
    Release a model: publish, wait until every replica serves it, prove it with golden images, or withdraw it.

    What an earlier release that was killed has left is put in order first. Exit status: 0 released, 1 failed (the
    version before serves), 2 wrong usage, 4 waiting for a review, see --approved-by.

    Example: tendies release examples/models/brush_strokes.yaml --model-base-path /models/brush_strokes
    --server http://localhost:8501
    """
    spec = arguments.spec()
    options = arguments.options(ReleaseSpec() if spec is None else spec.release)
    if options.model_base_path is None:
        raise UsageError("Name the directory that Model Server watches: --model-base-path BASE.")
    credentials = credentials_of_environment()
    check_servers(options.servers, credentials.with_files(options))  # an export takes minutes
    ensure_base_path(options.model_base_path)
    with stop_on_signals() as cancelled, contextlib.ExitStack() as stack:
        allowed = (*(spec.source.allow_operations if spec else ()), *(arguments.allow_operation or ()))
        check = partial(require_computing_model, allowed=allowed)
        trial = partial(rehearse, allowed=allowed, tolerance=options.tolerance, cancelled=cancelled)
        report = release_model(
            arguments.spec_or_dir if spec is None else _export(spec, options.model_base_path, stack, cancelled),
            options.model_base_path,
            options.servers,
            options=options,
            check_loads=trial if arguments.rehearse else check,
            approved_by=arguments.approved_by,
            cancelled=cancelled,
            on_step=_say,
            credentials=credentials,
        )
    print_json(report.summary()) if arguments.as_json else print_report(report)
    return EXIT_DONE


def print_report(report: ReleaseReport) -> None:
    """Print the outcome as text."""
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
            f"  the swap cost {report.swap['failed_by_swap']} of {report.swap['requests']} requests; p99 {during} ms "
            "during it",
            markup=False,
        )
    previous = report.previous_version
    console.print(f"  before: {'no version' if previous is None else f'version {previous}'}", markup=False)


def _export(spec: ModelSpec, base: Path, stack: contextlib.ExitStack, cancelled: threading.Event) -> Path:
    """Export into a folder that is removed with the stack."""
    from tendies_ops.export import export_model
    from tendies_ops.export.own_pictures import own_pictures

    _say(f"Exporting {spec.model_name}")
    scratch = stack.enter_context(ScratchFolder("export"))
    pictures = own_pictures(spec, base)
    return export_model(spec, scratch / "saved_model", own_pictures=pictures, cancelled=cancelled).saved_model_dir


def _say(words: str) -> None:
    error_console.print(words, markup=False)
