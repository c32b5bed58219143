"""Keep the records of a base path few: the reports of releases whose versions are gone, and what was left by kills."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from tendies_ops.errors import BasePathError, NotNowError
from tendies_ops.publish.layout import JOURNAL_NAME, RELEASES, STATE_DIRECTORY, list_withdrawn, remove_leftovers
from tendies_ops.publish.leases import remove_dead_leases
from tendies_ops.publish.lock import lock_base_path
from tendies_ops.publish.version_dirs import list_version_dirs

_DAY_S = 86_400.0


@dataclass(frozen=True)
class TidiedBasePath:
    """The reports of releases that were removed, or would be, with their contact sheets."""

    reports_kept: int
    reports_removed: int
    bytes_freed: int


def tidy_base_path(
    model_base_path: Path, *, keep_reports: int, keep_days: float, dry_run: bool = False
) -> TidiedBasePath:
    """
    Remove old reports of releases. The versions themselves and the history stay: each release removes old versions.

    :param keep_reports: number of the newest reports to keep.
    :param keep_days: younger ones stay as well, and so do those of versions that are still in the base path.
    :raises LockHeldError: a release is under way.
    :raises NotNowError: one was killed, and the next one needs what it left.
    :raises BasePathError: the base path cannot be read or written.
    """
    try:
        with lock_base_path(model_base_path, purpose="tidy", timeout_s=0.0):
            if (model_base_path / STATE_DIRECTORY / JOURNAL_NAME).exists():
                raise NotNowError(f"A release into {model_base_path} was killed, and the next one needs what it left.")
            if not dry_run:
                remove_leftovers(model_base_path)
                remove_dead_leases(model_base_path)
            return _tidy(model_base_path, keep_reports, time.time() - keep_days * _DAY_S, dry_run=dry_run)
    except OSError as error:
        raise BasePathError(f"{model_base_path} cannot be tidied: {error.strerror} ({error.filename}).") from error


def _tidy(model_base_path: Path, keep: int, oldest_s: float, *, dry_run: bool) -> TidiedBasePath:
    folder = model_base_path / STATE_DIRECTORY / RELEASES
    reports = sorted(folder.glob("[0-9]*.json"), key=_changed_s, reverse=True)
    there = {child.version for child in list_version_dirs(model_base_path)} | set(list_withdrawn(model_base_path))
    names = {f"{version}.json" for version in there}
    kept = [path for n, path in enumerate(reports) if n < keep or path.name in names or _changed_s(path) > oldest_s]
    shown = "".join(path.read_text(encoding="utf-8", errors="replace") for path in kept)
    sheets = [path for path in folder.glob("gate-*.png") if path.name not in shown and _changed_s(path) < oldest_s]
    old = [path for path in reports if path not in kept]
    freed = sum(path.stat().st_size for path in (*old, *sheets))
    for path in () if dry_run else (*old, *sheets):
        path.unlink()
    return TidiedBasePath(len(kept), len(old), freed)


def _changed_s(path: Path) -> float:
    return path.stat().st_mtime
