"""``tendies rollback``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tendies_ops.cli.interrupts import stop_on_signals
from tendies_ops.cli.output import EXIT_DONE, error_console, print_json
from tendies_ops.cli.release import print_report
from tendies_ops.cli.release_arguments import with_said
from tendies_ops.release import rollback_model
from tendies_ops.spec import ReleaseSpec


def rollback_command(  # noqa: PLR0913  # one for each option
    *,
    model_base_path: Annotated[Path, typer.Option(help="The directory that Model Server watches.")],
    server: Annotated[list[str], typer.Option(help="REST base URL of a replica; once for each.")],
    to: Annotated[int | None, typer.Option(help="The version to go back to; absent: the one before.")] = None,
    model: Annotated[str | None, typer.Option(help="Model name; absent: what the manifests say.")] = None,
    reason: Annotated[str, typer.Option(help="Why; it goes into the history.")] = "",
    timeout_s: Annotated[float, typer.Option(help="Until it serves on every replica.")] = 180.0,
    model_config_file: Annotated[
        Path | None, typer.Option(help="Go back by the labels in this file, which the servers poll.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """
    Put an earlier version back into service, with the same proof as a release.

    The versions above it are moved to names that Model Server ignores; nothing is deleted.

    Example: tendies rollback --model-base-path /models/brush_strokes --server http://localhost:8501 --reason "seams"
    """
    with stop_on_signals() as cancelled:
        report = rollback_model(
            model_base_path,
            server,
            model_name=model,
            to_version=to,
            reason=reason,
            options=with_said(ReleaseSpec(), {"restore_timeout_s": timeout_s, "model_config_file": model_config_file}),
            cancelled=cancelled,
            on_step=lambda words: error_console.print(words, markup=False),
        )
    print_json(report.summary()) if as_json else print_report(report)
    return EXIT_DONE
