"""Read the state of a partition from its own ledger, and from the folder of its newest run."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from tendies_ops.errors import UsageError
from tendies_ops.files.object_store import is_remote
from tendies_ops.inference.ledger.ledger import LEDGER_NAME, SHARD_LEDGERS, STATE_FOLDER, exact_path, read_record
from tendies_ops.partitions.keys import Partitions

State = Literal["missing", "running", "done", "older", "some failed", "failed", "stopped"]
STATES: tuple[State, ...] = ("done", "older", "some failed", "failed", "stopped", "running", "missing")
SILENT_S = 120.0  #: a run without a report that has written nothing for so long was killed


@dataclass(frozen=True)
class Counts:
    """The newest line about each picture of a ledger, counted."""

    by_version: tuple[tuple[int, int], ...] = ()  #: version -> pictures that it has done
    failed: int = 0

    @property
    def done(self) -> int:
        """The number of pictures that are done."""
        return sum(count for _, count in self.by_version)


@dataclass(frozen=True)
class PartitionState:
    """The state of one partition."""

    key: str
    state: State
    done: int = 0
    failed: int = 0
    versions: tuple[int, ...] = ()  #: that have done its pictures, oldest first
    run_id: str = ""  #: of its newest run


def list_states(
    partitions: Partitions, keys: Iterable[str], in_service: int | None, *, now_s: float | None = None
) -> Iterator[PartitionState]:
    """
    Yield the state of each key. A ledger that has not changed since is not read again.

    :param in_service: version in service; None: not known, and no partition counts as made by an older one.
    :raises UsageError: the output is in an object store.
    """
    if is_remote(partitions.batch.output or ""):
        raise UsageError(
            f"The states of the partitions of {partitions.dag_id} cannot be listed: {partitions.batch.output} is in an "
            "object store, and only outputs on a disk are read."
        )
    for key in keys:
        folder = Path(partitions.folders(key)[1].removeprefix("file://"))
        yield state_of(key, folder, in_service, time.time() if now_s is None else now_s)


def state_of(key: str, folder: Path, in_service: int | None, now_s: float) -> PartitionState:
    """Return the state of the partition whose results are in ``folder``."""
    state = folder / STATE_FOLDER
    try:
        counts = _counts(_ledgers(state))
    except OSError:
        counts = Counts()
    run_id, report, is_running = _newest_run(state / "runs", now_s)
    versions = tuple(sorted(version for version, _ in counts.by_version))
    found = _decide(counts, report, in_service, is_running=is_running, has_run=bool(run_id))
    return PartitionState(key, found, counts.done, counts.failed, versions, run_id)


def _decide(
    counts: Counts, report: dict[str, Any] | None, in_service: int | None, *, is_running: bool, has_run: bool
) -> State:
    if is_running:
        return "running"
    if report is None and has_run:
        return "stopped"
    if counts.failed:
        return "some failed" if counts.done else "failed"
    if report is not None and report.get("ok") is False:
        return "failed"
    if not counts.done:
        return "done" if report is not None else "missing"  # a partition without pictures, which may be
    older = in_service is not None and any(version != in_service for version, _ in counts.by_version)
    return "older" if older else "done"


def _ledgers(state: Path) -> tuple[tuple[str, int, int], ...]:
    """Return path, time and size of each ledger of an output, of shards last."""
    found = []
    for path in (state / LEDGER_NAME, *sorted(state.glob(SHARD_LEDGERS))):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            status = path.stat()
            found.append((str(path), status.st_mtime_ns, status.st_size))
    return tuple(found)


@lru_cache(maxsize=1 << 14)
def _counts(ledgers: tuple[tuple[str, int, int], ...]) -> Counts:
    newest: dict[str, int] = {}  # picture -> version; 0: it failed
    for path, _, _ in ledgers:
        with Path(path).open("rb") as stream:
            for record in map(read_record, stream):
                if record is not None:
                    failed = record["outcome"] == "failed"
                    newest[exact_path(record, "input") or ""] = 0 if failed else record["version"]
    versions = Counter(newest.values())
    failures = versions.pop(0, 0)
    return Counts(tuple(sorted(versions.items())), failures)


def _newest_run(runs: Path, now_s: float) -> tuple[str, dict[str, Any] | None, bool]:
    """Return the id and the report of the newest run, and True if it is running."""
    try:
        with os.scandir(runs) as entries:
            newest = max((entry for entry in entries if entry.is_dir()), key=lambda entry: entry.stat().st_mtime_ns)
    except (OSError, ValueError):
        return "", None, False
    folder = Path(newest.path)
    with contextlib.suppress(OSError, ValueError):
        status = (folder / "report.json").stat()
        return newest.name, _report(str(folder / "report.json"), status.st_mtime_ns), False
    return newest.name, None, _writes(folder, now_s)


def _writes(run: Path, now_s: float) -> bool:
    """Return True if a run without a report is at work: it has not stopped, and wrote its progress lately."""
    progress, changed_s = run / "progress.json", 0.0
    with contextlib.suppress(OSError, ValueError):
        changed_s = run.stat().st_mtime
        changed_s = max(changed_s, progress.stat().st_mtime)
        if json.loads(progress.read_bytes()).get("state") == "stopped":
            return False
    return now_s - changed_s < SILENT_S


@lru_cache(maxsize=1 << 14)
def _report(path: str, _changed_ns: int) -> dict[str, Any]:
    """Return what a state needs of a report."""
    facts = json.loads(Path(path).read_bytes())
    return {"ok": facts.get("ok")} if isinstance(facts, dict) else {}
