"""Looks every few seconds at what must stay flat."""

from __future__ import annotations

import contextlib
import os
import statistics
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from tests.soak.day import Day

_EVERY_S = 2.0


@dataclass(frozen=True)
class Look:
    at_s: float
    server: int  #: its process; a restart begins again
    memory_mb: float
    handles: int
    threads: int
    base_mb: float  #: without history and reports, which are kept on purpose
    base_files: int
    temporary: int  #: what commands have left in the temporary folder


class Watcher:
    """A thread's work."""

    def __init__(self, day: Day, over: threading.Event) -> None:
        self._day, self._over = day, over
        self._began_s = time.monotonic()
        self.looks: list[Look] = []

    def run(self) -> None:
        """Until the day is over."""
        while not self._over.wait(_EVERY_S):
            self.look()

    def look(self) -> None:
        """Once."""
        try:
            process = psutil.Process(self._day.server.process.pid)
            memory_mb, handles = process.memory_full_info().uss / 1e6, process.num_fds()
            threads = process.num_threads()
        except psutil.Error:
            return  # it was killed just now
        size_bytes, files = _tree(self._day.base)
        temporary = sum(1 for _ in self._day.temporary.iterdir())
        at_s = time.monotonic() - self._began_s
        self.looks.append(Look(at_s, process.pid, memory_mb, handles, threads, size_bytes / 1e6, files, temporary))

    def flat(self, name: str, *, share: float, more: float) -> tuple[float, float, bool]:
        """
        The middle of the second quarter of the day, and of the last one.

        :param share: by which it may have grown, and ``more`` by how much beyond that.
        """
        values = [float(getattr(look, name)) for look in self.looks]
        quarter = max(1, len(values) // 4)
        early, late = statistics.median(values[quarter : 2 * quarter] or values), statistics.median(values[-quarter:])
        return early, late, late <= early * (1 + share) + more


def _tree(base: Path) -> tuple[int, int]:
    """Bytes and files of all versions, while some of them come and go."""
    size_bytes = files = 0
    for folder, below, names in os.walk(base):
        if Path(folder) == base:
            below[:] = [name for name in below if name != ".tendies"]
        for name in names:
            with contextlib.suppress(FileNotFoundError):  # removed just now
                size_bytes += (Path(folder) / name).lstat().st_size
                files += 1
    return size_bytes, files
