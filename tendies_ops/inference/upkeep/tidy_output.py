"""
Keep an output that is written to for years small: old runs go, and lines of the ledger that nothing reads any more.

A run that is kept keeps all its lines, for its page shows them. Of everything else the ledger needs the newest line of
each picture, by which the next run knows what is done.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tendies_ops.errors import OutputFolderError, UsageError
from tendies_ops.files import sync_directory
from tendies_ops.inference.ledger.ledger import LEDGER_NAME, STATE_FOLDER, exact_path, read_record
from tendies_ops.inference.several_runs.sharded_run import merge_shard_ledgers
from tendies_ops.inference.storage.local import LocalOutput

_DAY_S = 86_400.0
_NEW_LEDGER = f"{LEDGER_NAME}.tidied"
_TAKEN_AWAY = "parts.tidied"  #: the next run that locks the output removes it, as all ``parts*``


@dataclass(frozen=True)
class Tidied:
    """The removed files, or those that would be removed."""

    runs_kept: int
    runs_removed: int
    lines_kept: int
    lines_removed: int
    bytes_freed: int


def tidy_output(output: Path, *, keep_runs: int, keep_days: float, dry_run: bool = False) -> Tidied:
    """
    Remove old runs, and the lines of the ledger that only they needed. Results are never touched.

    :param keep_runs: number of the newest runs to keep.
    :param keep_days: younger ones stay as well, and so do runs that did not end well.
    :raises UsageError: no batch has written here.
    :raises LockHeldError: one is writing now.
    :raises OutputFolderError: the disk refuses.
    """
    state = output / STATE_FOLDER
    if not state.is_dir():
        raise UsageError(f"No batch has written to {output}: it has no {STATE_FOLDER}. Give a batch's output folder.")
    target = LocalOutput(output)
    try:
        with target.locked():
            if not dry_run:
                merge_shard_ledgers(state)
            old, kept = _sorted_out(state / "runs", keep_runs, keep_days)
            freed = sum(_size_bytes(run) for run in old)
            if not dry_run:
                _take_away(old, state / _TAKEN_AWAY)
            lines_kept, lines_removed, dead_bytes = _rewrite(state, {run.name for run in kept}, dry_run=dry_run)
    except OSError as error:
        words = f"{state} cannot be tidied: {error.strerror}. Nothing that a run needs is lost."
        raise OutputFolderError(words) from error
    return Tidied(len(kept), len(old), lines_kept, lines_removed, freed + dead_bytes)


def _sorted_out(runs: Path, keep_runs: int, keep_days: float) -> tuple[list[Path], list[Path]]:
    """Return the runs that go and those that stay."""
    folders = sorted(runs.iterdir(), key=lambda run: run.stat().st_mtime, reverse=True) if runs.is_dir() else []
    oldest_s = time.time() - keep_days * _DAY_S
    kept = {
        run
        for number, run in enumerate(folders)
        if number < keep_runs or run.stat().st_mtime > oldest_s or not _ended_well(run)
    }
    return [run for run in folders if run not in kept], [run for run in folders if run in kept]


def _take_away(runs: Sequence[Path], away: Path) -> None:
    """
    Remove the folders of runs, each by a rename first: half a folder would be a run that was killed.

    The folders that a kill leaves do not count as runs, and the next time their lines of the ledger go as well.
    """
    away.mkdir()
    for run in runs:
        run.rename(away / run.name)
    shutil.rmtree(away)


def _ended_well(run: Path) -> bool:
    try:
        return json.loads((run / "report.json").read_bytes()).get("ok") is not False
    except (OSError, ValueError, AttributeError):
        return False


def _rewrite(state: Path, kept_runs: set[str], *, dry_run: bool) -> tuple[int, int, int]:
    """
    Put a ledger without dead lines in the place of the old one.

    :return: lines kept, lines removed, and their bytes.
    """
    ledger, new = state / LEDGER_NAME, state / _NEW_LEDGER
    if not ledger.exists():
        return 0, 0, 0
    newest = {path: at for at, _, path, _ in _records(ledger)}
    kept = removed = dead_bytes = 0
    with new.open("wb") as stream:
        for at, line, path, run_id in _records(ledger):
            if newest[path] == at or run_id in kept_runs:
                kept += 1
                stream.write(line)
            else:
                removed, dead_bytes = removed + 1, dead_bytes + len(line)
        stream.flush()
        os.fsync(stream.fileno())
    if removed and not dry_run:
        new.replace(ledger)
        sync_directory(state)
    else:
        new.unlink()
    return kept, removed, dead_bytes


def _records(ledger: Path) -> Iterator[tuple[int, bytes, str, str]]:
    """Yield where each whole line begins, the line, its picture and its run."""
    at = 0
    with ledger.open("rb") as stream:
        for line in stream:
            record = read_record(line)
            if record is not None:
                yield at, line, exact_path(record, "input") or "", str(record.get("run_id", ""))
            at += len(line)


def _size_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
