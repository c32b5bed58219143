from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.filesize import decimal

from tendies_ops.cli.output import EXIT_DONE, console, print_json
from tendies_ops.inference.upkeep.tidy_output import tidy_output


def tidy_command(
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="Output folder of a batch.")],
    keep_runs: Annotated[int, typer.Option(help="Number of the newest runs to keep.", min=1)] = 100,
    keep_days: Annotated[float, typer.Option(help="Younger runs stay as well.", min=0.0)] = 90.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list what would be removed.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """
    Remove old runs of a batch and the lines of its ledger that nothing reads any more.

    Results stay, and so does all that the next run needs to know what is done. Runs that did not end well stay.
    Example: tendies tidy results --keep-runs 30 --keep-days 30
    """
    tidied = tidy_output(output, keep_runs=keep_runs, keep_days=keep_days, dry_run=dry_run)
    if as_json:
        print_json(asdict(tidied))
        return EXIT_DONE
    verb = "would go" if dry_run else "are gone"
    console.print(
        f"{tidied.runs_removed} runs and {tidied.lines_removed} lines of the ledger {verb} "
        f"({decimal(tidied.bytes_freed)}); {tidied.runs_kept} runs and {tidied.lines_kept} lines stay."
    )
    return EXIT_DONE
