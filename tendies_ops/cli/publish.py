"""``tendies publish``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tendies_ops.cli.output import EXIT_DONE, console, print_json
from tendies_ops.publish import publish_version


def publish_command(
    saved_model_dir: Annotated[
        Path, typer.Argument(metavar="DIR", help="SavedModel directory that `tendies export` made.")
    ],
    model_base_path: Annotated[Path, typer.Option(help="The directory that Model Server watches.")],
    check: Annotated[bool, typer.Option(help="Load it once in a process of its own first.")] = True,
    lock_timeout_s: Annotated[float, typer.Option(help="How long to wait for another publisher.")] = 600.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """
    Publish a SavedModel as the next version, by one rename, and print the version.

    Nothing waits for a server here and nothing is proved; `tendies release` does that.

    Example: tendies publish build/brush_strokes --model-base-path /models/brush_strokes
    """
    from tendies_ops.export import check_loads

    published = publish_version(
        saved_model_dir,
        model_base_path,
        check_loads=check_loads if check else None,
        lock_timeout_s=lock_timeout_s,
    )
    if as_json:
        print_json(
            {
                "version": published.version,
                "path": str(published.path),
                "model_digest": published.model_digest,
                "created": published.created,
            }
        )
    elif published.created:
        console.print(f"Published version {published.version}: {published.path}", markup=False)
    else:
        console.print(f"Version {published.version} has this content already: {published.path}", markup=False)
    return EXIT_DONE
