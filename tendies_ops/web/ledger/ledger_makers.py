"""Processes that index long ledgers: parsing a million lines must not hold the API server's interpreter."""

from __future__ import annotations

import subprocess
import threading
from functools import cache
from pathlib import Path

from tendies_ops.web.limits.children import start_child

_AT_ONCE = 2


class IndexMakers:
    """Starts the processes, a few at the same time. Threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[Path, subprocess.Popen[bytes]] = {}

    def start(self, ledger: Path, database: Path) -> None:
        """Have the rest of a ledger indexed, unless that is under way or others are: the next page asks again."""
        with self._lock:
            self._forget_ended()
            if database in self._running or len(self._running) >= _AT_ONCE:
                return
            try:
                arguments = (str(ledger.absolute()), str(database.absolute()))
                self._running[database] = start_child("tendies_ops.web.ledger.ledger_intake", *arguments)
            except OSError:
                return  # short of processes: the next page tries again

    def is_at_work(self, database: Path) -> bool:
        """Return True while a process makes this index."""
        with self._lock:
            self._forget_ended()
            return database in self._running

    def _forget_ended(self) -> None:
        self._running = {path: process for path, process in self._running.items() if process.poll() is None}


@cache
def shared_makers() -> IndexMakers:
    """Return the one of this process."""
    return IndexMakers()
