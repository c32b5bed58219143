from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from tendies_ops.cli.arguments import takes_login
from tendies_ops.cli.output import EXIT_DONE, console, print_json
from tendies_ops.credentials import NO_CREDENTIALS, Credentials
from tendies_ops.release import ModelVersions, list_versions


@takes_login
def versions_command(
    model_base_path: Annotated[Path, typer.Option(help="The directory that Model Server watches.")],
    server: Annotated[list[str] | None, typer.Option(help="REST base URL of a replica; once for each.")] = None,
    model: Annotated[str | None, typer.Option(help="Model name; absent: as in the manifests.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    credentials: Credentials = NO_CREDENTIALS,
) -> int:
    """
    List what is there, what serves where, from which checkpoint, and what was withdrawn and why.

    Example: tendies versions --model-base-path /models/brush_strokes --server http://localhost:8501
    """
    found = list_versions(model_base_path, server or (), model_name=model, credentials=credentials)
    print_json(found.summary()) if as_json else _print(found)
    return EXIT_DONE


_HEADINGS = ("version", "state", "serves on", "checkpoint", "step", "digest", "by", "why withdrawn")


def _print(found: ModelVersions) -> None:
    if console.is_terminal:
        _print_table(found)
    else:  # one line each, for grep and cut
        for row in (_HEADINGS, *_rows(found)):
            sys.stdout.write("\t".join(" ".join(cell.split()) for cell in row) + "\n")
    if found.in_service_reason:
        which = f"version {found.in_service}" if found.in_service else "no version"
        console.print(f"In service: {which}: {found.in_service_reason}", markup=False)
    for server, words in found.servers.items():
        console.print(f"{server}: {words}", markup=False)


def _print_table(found: ModelVersions) -> None:
    title = Text(f"{found.model_name or 'no model yet'} in {found.model_base_path}")
    table = Table(title=title, title_justify="left")
    for heading in _HEADINGS:
        table.add_column(heading, overflow="fold", no_wrap=heading in {"version", "state"})
    for cells in _rows(found):
        table.add_row(*map(Text, cells))  # a reason is shown as it was written, even if it looks like markup
    console.print(table)


def _rows(found: ModelVersions) -> Iterator[tuple[str, ...]]:
    for entry in found.versions:
        yield (
            str(entry.version),
            entry.state,
            f"{len(entry.serving_on)} of {len(found.servers)}" if found.servers else "?",
            Path(entry.checkpoint).name or "-",
            "-" if entry.checkpoint_step is None else str(entry.checkpoint_step),
            entry.model_digest.removeprefix("sha256:")[:12] or "-",
            entry.who or "-",
            entry.reason or "-",
        )
