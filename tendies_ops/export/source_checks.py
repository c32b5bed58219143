"""Checks that need no TensorFlow: half a second instead of ten for a wrong path."""

from __future__ import annotations

import ast
import difflib
from pathlib import Path

from tendies_ops.errors import CheckpointMissingError, ExportError, SpecError
from tendies_ops.export.golden import golden_images
from tendies_ops.export.sources.checkpoint_files import resolve_checkpoint
from tendies_ops.export.sources.foreign_formats import refuse_foreign
from tendies_ops.spec import ModelSpec
from tendies_ops.spec.source import is_url

_WHOLE_FILES = {".keras", ".h5", ".hdf5", ".pb", ".pbtxt"}


def check_inputs(spec: ModelSpec) -> None:
    """
    Look for every file that the export will read.

    :raises TendiesError: one is missing, unreadable, or plainly not what it should be.
    """
    if not is_url(spec.source.checkpoint):
        _check_checkpoint(spec.source.local_checkpoint)
    if spec.source.graph is not None:
        _check_readable(spec.source.graph, "source.graph")
    if spec.source.builder is not None:
        _check_builder(spec.source.builder)
    golden_images(spec.golden, spec.contract.input)


def _check_checkpoint(path: Path) -> None:
    parent = path.parent
    if not path.exists() and not (
        parent.is_dir() and any(p.name.startswith(f"{path.name}.") for p in parent.iterdir())
    ):
        where = f"{parent} has no such name" if parent.is_dir() else f"{parent} does not exist either"
        raise CheckpointMissingError(
            f"There is no checkpoint at {path} ({where}). Check source.checkpoint or --checkpoint."
        )
    refuse_foreign(path)
    if path.is_file() and path.suffix.lower() in _WHOLE_FILES:
        _check_readable(path, "source.checkpoint")
    elif not (path / "saved_model.pb").is_file() and not (path / "saved_model.pbtxt").is_file():
        resolve_checkpoint(path)


def _check_readable(path: Path, key: str) -> None:
    try:
        with path.open("rb") as stream:
            empty = not stream.read(1)
    except OSError as error:
        raise CheckpointMissingError(f"{key}: {path} cannot be read: {error.strerror}.") from error
    if empty:
        raise ExportError(f"{key}: {path} is empty. Copy it again.")


def _check_builder(reference: str) -> None:
    place, separator, name = reference.rpartition(":")
    if not separator or not place or not name:
        raise SpecError(f"source.builder must be `module:function` or `file.py:function`; found {reference!r}.")
    if not place.endswith(".py"):
        return  # a module: only the interpreter that runs the export knows where it is
    try:
        tree = ast.parse(Path(place).read_text(encoding="utf-8"), place)
    except OSError as error:
        raise SpecError(f"source.builder: {place} cannot be read: {error.strerror}.") from error
    except (SyntaxError, UnicodeDecodeError) as error:
        raise SpecError(f"source.builder: {place} is not Python: {error}.") from error
    names = _names_made_by(tree)
    if name not in names and "*" not in names:
        nearest = difflib.get_close_matches(name, names, n=1)
        hint = f"Did you mean `{nearest[0]}`?" if nearest else f"It has {', '.join(sorted(names)) or 'no functions'}."
        raise SpecError(f"source.builder: {place} has no function `{name}`. {hint}")


def _names_made_by(tree: ast.Module) -> set[str]:
    """Every name that the module may give: defined, assigned or imported anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.ImportFrom | ast.Import):
            names |= {alias.asname or alias.name for alias in node.names}
    return names
