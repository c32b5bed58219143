"""Watches the states that a client of a Model Server sees, and does to its directories what the recordings did."""

from __future__ import annotations

import itertools
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

from tests.support.model_server import RunningServer, start_model_server

Snapshot = dict[int, str]  # version -> state; a failed load as ``END CODE: message``

AVAILABLE, END = "AVAILABLE", "END"
NO_MODEL = (
    "END NOT_FOUND: Specified file path does not appear to contain a SavedModel bundle (should have a file called "
    "`saved_model.pb`)\nSpecified file path: {path}"
)

_ORDER = ("START", "LOADING", "AVAILABLE", "UNLOADING", "END")
_PASSING = ("START", "LOADING", "UNLOADING")


class StateWatch:
    """Polls a model's status and keeps every change, in a thread of its own; use it with ``with``."""

    def __init__(self, server: RunningServer, model_name: str) -> None:
        self._server = server
        self._model_name = model_name
        self.snapshots: list[Snapshot] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> StateWatch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()
        self._note()

    def _run(self) -> None:
        while not self._stopping.wait(0.01):
            self._note()

    def _note(self) -> None:
        snapshot = self._server.states(self._model_name)
        if snapshot and (not self.snapshots or snapshot != self.snapshots[-1]):
            self.snapshots.append(snapshot)

    def wait_for(self, snapshot: Snapshot, *, timeout_s: float = 30.0) -> None:
        """Wait until this is what a client sees."""
        deadline = time.monotonic() + timeout_s
        while not self.snapshots or self.snapshots[-1] != snapshot:
            assert time.monotonic() < deadline, f"waited for {snapshot}, saw {self.snapshots}:\n{self._server.log()}"
            time.sleep(0.01)

    def resting(self) -> list[Snapshot]:
        """What was seen, without the moments in which some version was on its way."""
        found: list[Snapshot] = []
        for snapshot in self.snapshots:
            if not any(state in _PASSING for state in snapshot.values()) and snapshot not in found[-1:]:
                found.append(snapshot)
        return found

    def seen(self, version: int) -> list[str]:
        """The states of one version in the order in which they were seen."""
        states = [snapshot[version].split(" ")[0] for snapshot in self.snapshots if version in snapshot]
        return [state for index, state in enumerate(states) if index == 0 or state != states[index - 1]]


def follows_the_life_cycle(states: list[str]) -> bool:
    """Whether states come in their order; after END a version may start again."""
    places = [_ORDER.index(state) for state in states]
    return all(later > earlier or earlier == len(_ORDER) - 1 for earlier, later in itertools.pairwise(places))


def publish(source: Path, base: Path, name: str | int) -> Path:
    """Copy a version next to its place and rename it into place."""
    base.mkdir(parents=True, exist_ok=True)
    staging = base / f".staging-{name}"
    shutil.copytree(source, staging)
    for path in (staging, *staging.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return staging.rename(base / str(name))


def withdraw(base: Path, name: str | int) -> Path:
    """Rename a version away."""
    return (base / str(name)).rename(base / f".withdrawn-{name}-{time.monotonic_ns()}")


def start(base: Path, *flags: str, wait: bool = True) -> RunningServer:
    """Serve model ``half`` from a base path."""
    return start_model_server("--model_name=half", f"--model_base_path={base}", *flags, wait=wait)


def ran(*flags: str) -> subprocess.CompletedProcess[str]:
    """A server that is expected to end by itself."""
    return subprocess.run(
        [sys.executable, "-m", "tendies_ops.server.run_server", *flags],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def value(text: str) -> float:
    """The one prediction of an answer."""
    return float(text.split("[")[1].split("\n", maxsplit=1)[0])
