"""
Starting programs so that none of them outlives the program that started them.

Every program gets a session of its own and a mark in its environment, which all its descendants inherit. Whatever
carries the mark of a folder belongs to it, even after the starter was killed: no list of process ids can go
stale, and no other process can be mistaken for one of ours.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from tendies_ops.dev.error import DevError

MARK = "TENDIES_DEV"
_PATIENCE_S = 5.0
_TAIL_BYTES = 20_000


@dataclass(frozen=True)
class Program:
    """A started program."""

    name: str
    process: subprocess.Popen[bytes]
    log_path: Path

    def check(self) -> None:
        """
        Do nothing while it runs.

        :raises DevError: it has ended, which it should not by itself.
        """
        if (status := self.process.poll()) is not None:
            raise DevError(f"{self.name} ended with status {status}: {last_line(self.log_path)} (log: {self.log_path})")


def start(name: str, command: Sequence[str], *, log_path: Path, mark: Path, environment: Mapping[str, str]) -> Program:
    """
    Start ``command`` in a session of its own, with its output in ``log_path``.

    :param mark: the folder, by which :func:`find_marked` finds the program and all that it starts.
    :param environment: the program's whole environment.
    """
    marked = {
        **environment,
        MARK: str(mark),
        "SPT_NOENV": "1",  # setproctitle else overwrites the environment that the mark is in
    }
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            list(command),
            cwd=mark,
            env=marked,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C reaches the starter alone, which then stops the programs in order
        )
    return Program(name, process, log_path)


def find_marked(mark: Path) -> list[psutil.Process]:
    """Return every living process that carries a folder's mark."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(MARK) == str(mark) and process.pid != os.getpid():
                found.append(process)
    return found


def find_family(mark: Path) -> list[psutil.Process]:
    """Return those processes and what they have started, whose mark cannot be read at its begin."""
    return _alive(_with_descendants(find_marked(mark)))


def stop_marked(mark: Path) -> int:
    """End every process of a folder, by SIGTERM and then by SIGKILL, and return how many there were."""
    first = find_family(mark)
    _send(first, psutil.Process.terminate)
    _wait_until_gone(first, _PATIENCE_S)
    # A program that is ending may still have started something.
    deadline_s = time.monotonic() + _PATIENCE_S
    while rest := _alive(_with_descendants([*find_marked(mark), *first])):
        _send(rest, psutil.Process.kill)
        _wait_until_gone(rest, 1.0)
        if time.monotonic() > deadline_s:
            break
    return len(first)


def _wait_until_gone(processes: Sequence[psutil.Process], timeout_s: float) -> None:
    # Not psutil.wait_procs: an orphan stays a zombie for ever where process 1 reaps nothing, as in many containers.
    deadline_s = time.monotonic() + timeout_s
    while _alive(processes) and time.monotonic() < deadline_s:
        time.sleep(0.05)


def _with_descendants(processes: Sequence[psutil.Process]) -> list[psutil.Process]:
    found = set(processes)
    for process in processes:
        with contextlib.suppress(psutil.Error):
            found.update(process.children(recursive=True))
    return list(found)


def _alive(processes: Sequence[psutil.Process]) -> list[psutil.Process]:
    alive = []
    for process in processes:
        with contextlib.suppress(psutil.Error):
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                alive.append(process)
    return alive


def _send(processes: Sequence[psutil.Process], how: Callable[[psutil.Process], None]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.Error):
            how(process)


def last_line(log_path: Path) -> str:
    """Return the last line of a log that is not empty, for an error message."""
    with contextlib.suppress(OSError):
        text = log_path.read_bytes()[-_TAIL_BYTES:].decode(errors="replace")
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return lines[-1] if lines else "no output"
    return "no output"
