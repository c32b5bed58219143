"""``tendies init``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tendies_ops.cli.output import EXIT_DONE, console
from tendies_ops.errors import UsageError
from tendies_ops.model_files import holds_model
from tendies_ops.working_folder import make_folder


def init_command(
    path: Annotated[Path, typer.Argument(help="Folder to make, or a model: file, directory, or prefix.")] = Path(),
    compose: Annotated[
        bool, typer.Option("--compose", help="Include a Docker Compose file with Model Server.")
    ] = False,
) -> int:
    """
    Make a working folder (specs, DAG files, models, pictures), or draft the spec of a model.

    Files that exist remain unchanged.

    Example: tendies init styles
    """
    if path.exists() and holds_model(path):
        return _draft(path)
    if path.suffix or path.is_file():
        raise UsageError(
            f"There is no model at {path}. Give a model's file or directory, or the prefix of a checkpoint."
        )
    return _make_folder(path, compose=compose)


def _draft(path: Path) -> int:
    raise UsageError(f"Drafting the spec of {path} is not possible yet. Write it as docs/reference/spec.md says.")


def _make_folder(folder: Path, *, compose: bool) -> int:
    for created in make_folder(folder, compose=compose):
        console.print(f"created {folder / created}", markup=False)
    console.print(f"{folder}/README.md says how to go on.", markup=False)
    return EXIT_DONE
