"""
Where an export is written until it is whole: beside its place, under a hidden name.

    models/
      stripes/                    the export
      .stripes.<id>.part/         one on its way; its maker holds a lock on it for as long as it lives
      .stripes.<id>.old/          the export before, for the moment between two renames
"""

from __future__ import annotations

import contextlib
import fcntl
import glob
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

from tendies_ops.errors import ExportError, UsageError
from tendies_ops.files import sync_directory, sync_tree


@contextlib.contextmanager
def staging_beside(output_dir: Path) -> Iterator[Path]:
    """
    An empty directory to write into, gone at the end. What killed exports left is cleared away first.

    :raises UsageError: it cannot be made.
    """
    staging = output_dir.with_name(f".{output_dir.name[:100]}.{uuid.uuid4().hex}.part")
    try:
        output_dir.parent.mkdir(parents=True, exist_ok=True)
        clear_leftovers(output_dir)
        staging.mkdir()
    except OSError as error:
        raise UsageError(f"Nothing can be written to {output_dir.parent}: {error.strerror}.") from error
    descriptor = os.open(staging, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _lock(descriptor)
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        os.close(descriptor)


def put_in_place(staging: Path, output_dir: Path) -> None:
    """
    Sync ``staging`` to disk and give it its name.

    :raises ExportError: that cannot be done; ``output_dir`` is as it was.
    """
    old = staging.with_suffix(".old")
    try:
        sync_tree(staging)
        if output_dir.is_dir() and any(output_dir.iterdir()):
            output_dir.rename(old)
        staging.rename(output_dir)
        sync_directory(output_dir.parent)
    except OSError as error:
        _move_back(staging, output_dir, old)
        raise ExportError(f"The export cannot be moved to {output_dir}: {error.strerror}.") from error
    shutil.rmtree(old, ignore_errors=True)


def _move_back(staging: Path, output_dir: Path, old: Path) -> None:
    if output_dir.exists() and not staging.exists():
        output_dir.rename(staging)
    if old.exists():
        old.rename(output_dir)


def clear_leftovers(output_dir: Path) -> None:
    """Remove what killed exports were writing, and bring back what one had only just moved aside."""
    pattern = f".{glob.escape(output_dir.name[:100])}.*"
    for old in output_dir.parent.glob(f"{pattern}.old"):
        if _is_alive(old.with_suffix(".part")):
            continue
        if output_dir.exists():
            shutil.rmtree(old, ignore_errors=True)
        else:
            old.rename(output_dir)
    for part in output_dir.parent.glob(f"{pattern}.part"):
        if not _is_alive(part):
            shutil.rmtree(part, ignore_errors=True)


def _is_alive(part: Path) -> bool:
    """Whether somebody is writing there. Where a file system has no locks, nobody can tell."""
    try:
        descriptor = os.open(part, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return False
    try:
        return not _lock(descriptor)
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
