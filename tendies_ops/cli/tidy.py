from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.filesize import decimal

from tendies_ops.cli.output import EXIT_DONE, console, error_console, print_json
from tendies_ops.inference.upkeep.tidy_output import tidy_output
from tendies_ops.spec import RetentionSpec, load_spec
from tendies_ops.tidy_model import tidy_model


def tidy_command(
    place: Annotated[Path, typer.Argument(metavar="OUTPUT", help="Output folder of a batch, or a model spec (YAML).")],
    keep_runs: Annotated[int | None, typer.Option(help="Number of the newest runs to keep.", min=1)] = None,
    keep_days: Annotated[float | None, typer.Option(help="Younger runs stay as well.", min=0.0)] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list what would be removed.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """
    Remove old runs of a batch and the lines of its ledger that nothing reads any more.

    With a model spec: those of all its batches and partitions, and the reports of releases of versions that are gone.
    Results stay, and so does all that the next run needs to know what is done. Runs that did not end well stay.
    Without options the spec's `retention` counts, else 100 runs and 90 days.
    Example: tendies tidy results --keep-runs 30 --keep-days 30
    """
    given = {"keep_runs": keep_runs, "keep_days": keep_days}
    spec = load_spec(place) if place.suffix in (".yaml", ".yml") and place.is_file() else None
    kept = (spec and spec.retention) or RetentionSpec()
    kept = kept.model_copy(update={name: value for name, value in given.items() if value is not None})
    if spec is None:
        tidied = tidy_output(place, keep_runs=kept.keep_runs, keep_days=kept.keep_days, dry_run=dry_run)
        return _show(asdict(tidied), dry_run=dry_run, as_json=as_json)
    done = tidy_model(spec, kept, dry_run=dry_run)
    for folder, why in done.left_alone.items():
        error_console.print(f"{folder} is left alone: {why}")
    _show(done.summary(), dry_run=dry_run, as_json=as_json)
    if done.refused:
        raise done.refused[0]
    return EXIT_DONE


def _show(found: dict[str, Any], *, dry_run: bool, as_json: bool) -> int:
    if as_json:
        print_json(found)
        return EXIT_DONE
    verb = "would go" if dry_run else "are gone"
    reports = f", {found['reports_removed']} reports of releases" if found.get("reports_removed") else ""
    console.print(
        f"{found['runs_removed']} runs{reports} and {found['lines_removed']} lines of the ledger {verb} "
        f"({decimal(found['bytes_freed'])}); {found['runs_kept']} runs and {found['lines_kept']} lines stay."
    )
    return EXIT_DONE
