"""Processes of a test that are killed, stopped and started again: each with all that it has started."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil


@dataclass
class Process:
    """
    One program of the installation.

    :param log_path: where it writes; appended to at a restart.
    :param options: further arguments of ``Popen``.
    """

    command: Sequence[str]
    environment: Mapping[str, str]
    log_path: Path
    options: Mapping[str, Any] = field(default_factory=dict)
    running: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, in a session of its own."""
        with self.log_path.open("ab") as log:
            self.running = subprocess.Popen(
                list(self.command),
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **self.options,
            )

    def stop(self, timeout_s: float = 15.0) -> None:
        """Ask it to end; force it and what it left behind."""
        if self.running is None or self.running.poll() is not None:
            return
        family = self._family()
        self.running.terminate()
        try:
            self.running.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.running.kill()
        _kill_all(family)
        self.running.wait()

    @contextlib.contextmanager
    def hung(self) -> Iterator[None]:
        """SIGSTOP for it and everything below it: it accepts connections and never answers."""
        family = self._family()
        for process in family:
            process.suspend()
        try:
            yield
        finally:
            for process in family:
                process.resume()

    def kill(self) -> int:
        """SIGKILL for it and everything below it, as when its machine is gone; how many processes that were."""
        if self.running is None or self.running.poll() is not None:
            return 0
        family = self._family()
        _kill_all(family)
        self.running.wait()
        return len(family)

    def log(self) -> str:
        """What it has written."""
        return self.log_path.read_text(errors="replace")

    def _family(self) -> list[psutil.Process]:
        assert self.running is not None
        try:
            parent = psutil.Process(self.running.pid)
            return [parent, *parent.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []


def _kill_all(family: Sequence[psutil.Process]) -> None:
    for process in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(list(family), timeout=10)
