from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from typer import Option

from tendies_ops.cli.arguments import takes
from tendies_ops.cli.interrupts import stop_on_signals
from tendies_ops.cli.output import EXIT_DONE, error_console, print_json
from tendies_ops.cli.release import print_report
from tendies_ops.cli.release_arguments import ROLLBACK_SETTINGS, with_said
from tendies_ops.credentials import credentials_of_environment
from tendies_ops.release import rollback_model
from tendies_ops.spec import ReleaseSpec


@dataclass(frozen=True, kw_only=True)
class RollbackArguments:
    """The arguments that only the command line has; ``given`` are the settings."""

    model_base_path: Annotated[Path, Option(help="The directory that Model Server watches.")]
    server: Annotated[list[str], Option(help="REST base URL of a replica; once for each.")]
    to_version: Annotated[
        int | None, Option("--to-version", "--to", help="The version to roll back to; absent: the one before.")
    ] = None
    model: Annotated[str | None, Option(help="Model name; absent: as in the manifests.")] = None
    reason: Annotated[str, Option(help="Why; it is recorded in the history.")] = ""
    as_json: Annotated[bool, Option("--json", help="Print JSON.")] = False
    given: Mapping[str, Any] = field(default_factory=dict)


@takes(RollbackArguments, ROLLBACK_SETTINGS)
def rollback_command(arguments: RollbackArguments) -> int:
    """
    Put an earlier version back into service, with the same proof as a release.

    The versions above it are moved to names that Model Server ignores; nothing is deleted.

    Example: tendies rollback --model-base-path /models/brush_strokes --server http://localhost:8501 --reason "seams"
    """
    with stop_on_signals() as cancelled:
        report = rollback_model(
            arguments.model_base_path,
            arguments.server,
            model_name=arguments.model,
            to_version=arguments.to_version,
            reason=arguments.reason,
            options=with_said(ReleaseSpec(), arguments.given),
            cancelled=cancelled,
            on_step=lambda words: error_console.print(words, markup=False),
            credentials=credentials_of_environment(),
        )
    print_json(report.summary()) if arguments.as_json else print_report(report)
    return EXIT_DONE
