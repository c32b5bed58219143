"""
Copies of the state that runs keep in an object store, so that pages read it like any folder. No FastAPI.

Only the state is copied: reports, and the ledger, whose segments never change. Looking costs two listings every ten
seconds while a page is open, in the background except for the first time.
"""

from __future__ import annotations

import hashlib
import logging
import os
import posixpath
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from tendies_ops.errors import TendiesError
from tendies_ops.files import write_bytes_atomically
from tendies_ops.files.object_store import ObjectStore
from tendies_ops.inference.ledger.ledger import LEDGER_NAME, STATE_FOLDER
from tendies_ops.inference.ledger.segments import ended
from tendies_ops.web.safety import RUN_ID
from tendies_ops.web.sources.remote_files import ObjectStores
from tendies_ops.web.sources.typed import LONGEST_RUN_S, parse_time, read_facts

log = logging.getLogger(__name__)

_FRESH_S = 10.0
_FIRST_PATIENCE_S = 3.0  # what a page waits, once
_LOOKING = threading.BoundedSemaphore(4)  # of all copies together; each look is a thread of its own
_RUNS_A_LOOK = 200  # the newest by name; a run's id begins with its time


class Mirrors:
    """The copies, each made when it is first asked for."""

    def __init__(self, directory: Path, stores: ObjectStores) -> None:
        self._directory = directory
        self._stores = stores
        self._lock = threading.Lock()
        self._known: dict[str, Mirror] = {}

    def of(self, url: str) -> Mirror:
        """Return the copy of one output."""
        with self._lock:
            if url not in self._known:
                folder = self._directory / hashlib.sha256(url.encode()).hexdigest()[:32]
                self._known[url] = Mirror(url, folder, lambda: self._stores.of(url))
            return self._known[url]


class Mirror:
    """The state of one output."""

    def __init__(
        self, url: str, folder: Path, store: Callable[[], ObjectStore], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.url = url
        self.folder = folder  #: stands for the output folder; holds ``.tendies`` and no pictures
        self._store = store
        self._clock = clock
        self._lock = threading.Lock()
        self._looked_s = float("-inf")

    @property
    def _state(self) -> Path:
        return self.folder / STATE_FOLDER

    def refresh(self) -> None:
        """Look again, if the last look is some time ago. Only the first one is waited for, and not for long."""
        with self._lock:
            first, now_s = self._looked_s == float("-inf"), self._clock()
            if now_s - self._looked_s < _FRESH_S:
                return
            self._looked_s = now_s
        thread = threading.Thread(target=self.look, name="tendies-mirror", daemon=True)
        thread.start()
        if first:
            thread.join(_FIRST_PATIENCE_S)

    def look(self) -> None:
        """Copy what is new. A store that does not answer leaves what was copied before."""
        try:
            with _LOOKING:
                self._look()
        except (OSError, TendiesError) as error:
            log.warning("The runs in %s cannot be seen: %s", self.url, error)

    def _look(self) -> None:
        store = self._store()
        store.files.invalidate_cache()
        self._state.mkdir(parents=True, exist_ok=True)
        self._fetch_runs(store)
        self._fetch_ledger(store)

    def _fetch_runs(self, store: ObjectStore) -> None:
        runs = self._state / "runs"
        there = [name for name in _names_in(store, f"{STATE_FOLDER}/runs") if RUN_ID.fullmatch(name)]
        new = [name for name in there if not (runs / name / "report.json").exists()]
        for name in sorted(new, reverse=True)[:_RUNS_A_LOOK]:
            try:
                report = store.read(posixpath.join(STATE_FOLDER, "runs", name, "report.json"))
            except FileNotFoundError:
                continue
            copy = runs / name / "report.json"
            copy.parent.mkdir(parents=True, exist_ok=True)
            write_bytes_atomically(copy, report, durable=False)
            ended_unix_s = _ended_unix_s(read_facts(copy))
            for path in (copy, copy.parent):  # lists are ordered by it
                os.utime(path, (ended_unix_s, ended_unix_s))

    def _fetch_ledger(self, store: ObjectStore) -> None:
        ledger, seen_path = self._state / LEDGER_NAME, self.folder / "segments.json"
        names = sorted(_names_in(store, f"{STATE_FOLDER}/ledger"))
        seen = orjson.loads(seen_path.read_bytes()) if seen_path.exists() else []
        new = [name for name in names if name not in set(seen)]
        if not new and len(seen) == len(names):
            return
        if set(seen) <= set(names) and ledger.exists():
            _append(store, new, ledger)
        else:  # segments were put together: another file, which its index notices
            whole = self.folder / "ledger.new"
            whole.unlink(missing_ok=True)
            _append(store, names, whole)
            whole.replace(ledger)
        write_bytes_atomically(seen_path, orjson.dumps(names), durable=False)


def _append(store: ObjectStore, segments: Sequence[str], ledger: Path) -> None:
    """Copy segments one after the other: a ledger may be larger than the memory."""
    with ledger.open("ab") as stream:
        for name in segments:
            stream.write(ended(store.read(posixpath.join(STATE_FOLDER, "ledger", name))))


def _names_in(store: ObjectStore, folder: str) -> list[str]:
    try:
        return list(store.entries_in(folder))
    except FileNotFoundError:
        return []


def _ended_unix_s(facts: Mapping[str, Any]) -> float:
    """Return the end of a run; 0 if its report does not have it."""
    started = parse_time(facts.get("started_at"))
    return started.timestamp() + min(max(facts.get("elapsed_s", 0.0), 0.0), LONGEST_RUN_S) if started else 0.0
