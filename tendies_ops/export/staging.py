"""
The directory an export is written to until it is complete: next to its destination, under a hidden name.

    models/
      stripes/                    the export
      .stripes.<id>.part/         one on its way; its maker holds a lock on it for as long as it lives
      .stripes.<id>.old/          the export before, for the moment between two renames
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

from tendies_ops.errors import ExportError, ExportFolderError
from tendies_ops.files import sync_directory, sync_tree

#: With an id and a suffix it stays below the 255 bytes that file systems allow.
_LONGEST_LABEL = 200


@contextlib.contextmanager
def staging_next_to(output_dir: Path) -> Iterator[Path]:
    """
    Yield an empty directory to write into, gone at the end. What killed exports left is cleared away first.

    :raises ExportFolderError: it cannot be made.
    """
    staging = output_dir.with_name(f".{_label(output_dir)}.{uuid.uuid4().hex}.part")
    try:
        output_dir.parent.mkdir(parents=True, exist_ok=True)
        with _alone_in(output_dir.parent):
            clear_leftovers(output_dir)
            staging.mkdir()
            descriptor = os.open(staging, os.O_RDONLY | os.O_DIRECTORY)
            _lock(descriptor)
    except OSError as error:
        raise ExportFolderError(f"Nothing can be written to {output_dir.parent}: {error.strerror}.") from error
    try:
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
        with _alone_in(output_dir.parent):
            _swap(staging, output_dir, old)
    except OSError as error:
        raise ExportError(f"The export cannot be moved to {output_dir}: {error.strerror}.") from error
    shutil.rmtree(old, ignore_errors=True)


def _swap(staging: Path, output_dir: Path, old: Path) -> None:
    try:
        if output_dir.is_dir() and any(output_dir.iterdir()):
            output_dir.rename(old)
        staging.rename(output_dir)
        sync_directory(output_dir.parent)
    except OSError:
        _move_back(staging, output_dir, old)
        raise


def _move_back(staging: Path, output_dir: Path, old: Path) -> None:
    if output_dir.exists() and not staging.exists():
        output_dir.rename(staging)
    if old.exists():
        old.rename(output_dir)


def clear_leftovers(output_dir: Path) -> None:
    """Remove what killed exports were writing, and bring back what one had only just moved aside."""
    for old in _leftovers(output_dir, "old"):
        if _is_alive(old.with_suffix(".part")):
            continue
        if output_dir.exists():
            shutil.rmtree(old, ignore_errors=True)
        else:
            old.rename(output_dir)
    for part in _leftovers(output_dir, "part"):
        if not _is_alive(part):
            shutil.rmtree(part, ignore_errors=True)


def _leftovers(output_dir: Path, kind: str) -> list[Path]:
    """Those of this very name: ``.a.b.0123.old`` is of ``a.b`` and not of ``a``."""
    pattern = re.compile(rf"\.{re.escape(_label(output_dir))}\.[0-9a-f]+\.{kind}")
    return sorted(path for path in output_dir.parent.iterdir() if pattern.fullmatch(path.name))


def _label(output_dir: Path) -> str:
    """Return the directory's own name, or what stands for it where a longer one would be too long for a file system."""
    name = os.fsencode(output_dir.name)
    return output_dir.name if len(name) <= _LONGEST_LABEL else hashlib.sha256(name).hexdigest()


@contextlib.contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Keep other exports out during the block, if the file system has locks."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _is_alive(part: Path) -> bool:
    """Return True if another process is writing there. Without file locks this is unknown."""
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
