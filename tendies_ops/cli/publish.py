from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from tendies_ops.cli.output import EXIT_DONE, console, print_json
from tendies_ops.errors import UsageError
from tendies_ops.files.object_store import is_remote
from tendies_ops.graphs import require_computing_model
from tendies_ops.publish import PublishedVersion, publish_version


def publish_command(  # noqa: PLR0917 - Typer calls it by keyword
    saved_model_dir: Annotated[
        Path, typer.Argument(metavar="DIR", help="SavedModel directory that `tendies export` made.")
    ],
    model_base_path: Annotated[str, typer.Option(help="The directory that Model Server watches.")],
    check: Annotated[bool, typer.Option(help="Load it once in a process of its own first.")] = True,
    allow_operation: Annotated[
        list[str] | None, typer.Option(help="Operation that the graph may have although it does more than compute.")
    ] = None,
    lock_timeout_s: Annotated[float, typer.Option(min=0.0, help="How long to wait for another publisher.")] = 600.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """
    Publish a SavedModel as the next version, by one rename, and print the version.

    It does not wait for a server and proves nothing; `tendies release` does that.

    Example: tendies publish build/brush_strokes --model-base-path /models/brush_strokes
    """
    from tendies_ops.export import check_loads

    check_once = partial(check_loads if check else require_computing_model, allowed=allow_operation or ())
    if is_remote(model_base_path):
        raise UsageError(
            f"{model_base_path} is in an object store, where a version cannot appear by one rename and which the "
            "official Model Server images do not read. Publish to a directory that every server mounts."
        )
    base = Path(model_base_path.removeprefix("file://").removeprefix("local://"))
    published = publish_version(saved_model_dir, base, check_loads=check_once, lock_timeout_s=lock_timeout_s)
    _print(published, as_json=as_json)
    return EXIT_DONE


def _print(published: PublishedVersion, *, as_json: bool) -> None:
    where = str(published.path)
    if as_json:
        facts = {"version": published.version, "path": where}
        print_json({**facts, "model_digest": published.model_digest, "created": published.created})
    elif published.created:
        console.print(f"Published version {published.version}: {where}", markup=False)
    else:
        console.print(f"Version {published.version} has this content already: {where}", markup=False)
