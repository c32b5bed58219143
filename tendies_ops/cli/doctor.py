from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from tendies_ops.cli.arguments import takes_login
from tendies_ops.cli.output import EXIT_DONE, console, print_json
from tendies_ops.credentials import NO_CREDENTIALS, Credentials
from tendies_ops.doctor import Finding, Subject, examine
from tendies_ops.errors import UsageError
from tendies_ops.spec import load_spec

EXIT_PROBLEMS = 1
_MARKS = {"ok": "[green]ok     [/]", "warning": "[yellow]warning[/]", "problem": "[red]problem[/]"}


@takes_login
def doctor_command(  # noqa: PLR0913, PLR0917 - typer reads the parameters as options
    spec: Annotated[Path | None, typer.Argument(help="Model spec (YAML).", metavar="[SPEC]")] = None,
    server: Annotated[list[str] | None, typer.Option(help="REST base URL of a replica; once for each.")] = None,
    model: Annotated[str | None, typer.Option(help="Model name; default: the spec's.")] = None,
    model_base_path: Annotated[Path | None, typer.Option(help="The directory that Model Server watches.")] = None,
    connection: Annotated[
        str | None, typer.Option(help="Ask Airflow too, for its jobs and this connection, such as tf_serving_default.")
    ] = None,
    timeout_s: Annotated[float, typer.Option("--timeout-s", help="Seconds that a server may take.", min=0.1)] = 5.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    credentials: Credentials = NO_CREDENTIALS,
) -> int:
    """
    Check servers, model base path, folders and Airflow, and report what to fix before a release or a batch fails.

    Exit status: 0 no problem, 1 problems found, 2 wrong usage.

    Example: tendies doctor brush_strokes.yaml --connection tf_serving_default
    """
    read = load_spec(spec) if spec else None
    model_name = model or (read.model_name if read else None)
    if model_name is None:
        raise UsageError("Give a spec, or a model name with --model.")
    subject = Subject(
        model_name=model_name,
        servers=tuple(server or (read.release.servers if read else ())),
        model_base_path=model_base_path or (read.release.model_base_path if read else None),
        folders=[(b.input or "", b.output or "") for b in read.batches_by_name().values()] if read else (),
        labels=bool(read and read.release.model_config_file),
        connection=connection,
        credentials=credentials,
        timeout_s=timeout_s,
    )
    return _print_findings(subject, as_json=as_json)


def _print_findings(subject: Subject, *, as_json: bool) -> int:
    findings: list[Finding] = []
    for finding in examine(subject):
        findings.append(finding)
        if not as_json:
            _print(finding)
    problems = sum(finding.level == "problem" for finding in findings)
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        console.print("Nothing is wrong." if not problems else f"Problems: {problems}.")
    return EXIT_PROBLEMS if problems else EXIT_DONE


def _print(finding: Finding) -> None:
    console.print(f"{_MARKS[finding.level]} ", end="")
    remedy = f" {finding.remedy}" if finding.remedy else ""
    console.print(f"{finding.about}: {finding.found.rstrip('.')}.{remedy}", markup=False, highlight=False)
