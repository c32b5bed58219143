"""``tendies init``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tendies_ops.errors import UsageError
from tendies_ops.model_files import holds_model


def init_command(
    path: Annotated[Path, typer.Argument(help="a model: file, directory, or prefix of a checkpoint")],
) -> int:
    """Draft the spec of a model."""
    if holds_model(path):
        return _draft(path)
    raise UsageError(f"There is no model at {path}. Give a model's file or directory, or the prefix of a checkpoint.")


def _draft(path: Path) -> int:
    raise UsageError(f"Drafting the spec of {path} is not possible yet. Write it as docs/reference/spec.md says.")
