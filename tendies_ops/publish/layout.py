"""
The names in a model base path.

    model_base_path/
      7/                             a version, whole
      6.withdrawn-load-failed/       a version that was withdrawn; Model Server ignores the name
      .tendies-staging-<id>/         a version on its way in; exists only while its publisher holds the lock
      .tendies-trash-<id>/           a version on its way out
      .tendies/                      lock, journal, history, leases, reports of releases
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import uuid
from pathlib import Path

from tendies_ops.errors import BasePathError, BasePathMissingError, UsageError
from tendies_ops.files import sync_directory

STATE_DIRECTORY = ".tendies"
RELEASES = "releases"  #: in the state directory: a report of each version, sheets of gates, reviews
JOURNAL_NAME = "journal.json"  #: in the state directory, while a release or rollback is under way or was killed
STAGING_PREFIX = ".tendies-staging-"
TRASH_PREFIX = ".tendies-trash-"
#: The end of a rejected candidate's name: a release of its old name does not find it.
REJECTED_SUFFIX = ".rejected"
_WITHDRAWN = re.compile(r"([0-9]+)\.withdrawn-.*", re.ASCII)


def state_directory(model_base_path: Path) -> Path:
    """Return ``.tendies`` below the base path; make it if it is missing."""
    directory = model_base_path / STATE_DIRECTORY
    directory.mkdir(exist_ok=True)
    return directory


def ensure_base_path(model_base_path: Path) -> Path:
    """
    Return the absolute base path; make it if only its last part is missing.

    :raises BasePathMissingError: its parent does not exist either: a typo, or not mounted yet.
    :raises BasePathError: it cannot be made.
    :raises UsageError: it is a file.
    """
    path = Path(model_base_path).absolute()
    if path.exists() and not path.is_dir():
        raise UsageError(f"The model base path {path} is a file. Give the directory that Model Server watches.")
    try:
        path.mkdir(exist_ok=True)
    except FileNotFoundError:
        raise BasePathMissingError(
            f"Neither the model base path {path} nor the directory above it exists. "
            "Check the spelling, or create it: it must be the directory that Model Server watches."
        ) from None
    except OSError as error:
        raise BasePathError(f"The model base path {path} cannot be made: {error.strerror}.") from error
    return path


def review_directory(model_base_path: Path, model_digest: str) -> Path:
    """Return the folder for the review of a candidate with this content; it may not exist."""
    name = f"review-{model_digest.removeprefix('sha256:')[:12]}"
    return model_base_path / STATE_DIRECTORY / RELEASES / name


def withdrawn_path(model_base_path: Path, version: int, reason: str) -> Path:
    """Return a free name for a withdrawn version, with the reason, that Model Server ignores."""
    slug = re.sub(r"[^a-z0-9]+", "-", reason.lower()).strip("-")[:40] or "withdrawn"
    path = model_base_path / f"{version}.withdrawn-{slug}"
    return path if not os.path.lexists(path) else path.with_name(f"{path.name}-{uuid.uuid4().hex[:8]}")


def list_withdrawn(model_base_path: Path) -> dict[int, Path]:
    """Return the directory of each withdrawn version, lowest version first."""
    if not model_base_path.is_dir():
        return {}
    matches = ((_WITHDRAWN.fullmatch(path.name), path) for path in sorted(model_base_path.iterdir()))
    return dict(sorted((int(match.group(1)), path) for match, path in matches if match))


def new_staging_path(model_base_path: Path) -> Path:
    """Return a new name for a version that is being copied."""
    return model_base_path / f"{STAGING_PREFIX}{uuid.uuid4().hex}"


def discard(path: Path) -> None:
    """
    Remove a directory so that no server sees half of it: it is renamed first.

    The rename also stops a publisher that was paused and lost its lock: its own rename then finds nothing.
    """
    trash = path.with_name(f"{TRASH_PREFIX}{uuid.uuid4().hex}")
    path.rename(trash)
    sync_directory(path.parent)
    _remove(trash)


def remove_leftovers(model_base_path: Path) -> int:
    """
    Remove what killed publishers have left behind. The caller holds the lock, so no other publisher is at work.

    Anything that cannot be deleted is left under a name that Model Server ignores.

    :return: the number of leftovers.
    """
    leftovers = [p for p in model_base_path.iterdir() if p.name.startswith((STAGING_PREFIX, TRASH_PREFIX))]
    for path in leftovers:
        with contextlib.suppress(OSError):
            discard(path) if path.name.startswith(STAGING_PREFIX) else _remove(path)
    parts = [p for p in state_directory(model_base_path).iterdir() if p.name.startswith(".") and p.suffix == ".part"]
    for path in parts:
        path.unlink(missing_ok=True)
    return len(leftovers) + len(parts)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
