"""The test's side of ``launcher.py``."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.ports import free_port

_ROOT = Path(__file__).parents[2]
Fault = dict[str, Any]


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    status: int  #: below 0: the signal that killed it
    out: str
    err: str

    @property
    def killed(self) -> bool:
        return self.status == -signal.SIGKILL


@dataclass
class Program:
    """A child at work."""

    pid: int
    output: str
    _ended: threading.Event = field(default_factory=threading.Event)
    _status: int | None = None

    def wait(self, timeout_s: float = 60.0) -> Ended:
        """:raises TimeoutError: it hangs; then it is killed."""
        if not self._ended.wait(timeout_s):
            self.kill()
            self._ended.wait(10)
            raise TimeoutError(f"still at work after {timeout_s} s:\n{self._text('.err')}")
        assert self._status is not None
        return Ended(self._status, self._text(".out"), self._text(".err"))

    @property
    def alive(self) -> bool:
        return not self._ended.is_set()

    def kill(self, number: int = signal.SIGKILL) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def ended(self, status: int) -> None:
        """Told by the launcher."""
        self._status = status
        self._ended.set()

    def _text(self, suffix: str) -> str:
        return Path(self.output + suffix).read_text(encoding="utf-8", errors="replace")


class Launcher:
    """
    A context manager. Threads may share it.

    :param folder: for what the programs print.
    :param temporary: the programs' temporary folder; absent: the system's.
    """

    def __init__(self, folder: Path, *, temporary: Path | None = None) -> None:
        self._folder = folder
        self._environment = {"COLUMNS": "200", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        if temporary is not None:
            self._environment["TMPDIR"] = str(temporary)
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._programs: dict[int, Program] = {}
        self._started: dict[int, threading.Event] = {}
        self._early: dict[int, int] = {}
        self._pids: dict[int, int] = {}

    def __enter__(self) -> Launcher:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.launcher"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=_ROOT,
            env={**os.environ, **self._environment},
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._reader.join(10)

    def start(self, program: str, argv: Sequence[str], faults: Sequence[Fault] = ()) -> Program:
        """:param program: ``tendies`` or ``server``."""
        number = next(self._numbers)
        output = str(self._folder / f"{number:04}-{program}")
        for suffix in (".out", ".err"):  # it may be killed before it has made them
            Path(output + suffix).touch()
        job = {"start": number, "program": program, "argv": list(argv), "faults": list(faults), "output": output}
        started = self._started[number] = threading.Event()
        assert self._process.stdin is not None
        with self._lock:
            self._process.stdin.write(json.dumps(job).encode() + b"\n")
            self._process.stdin.flush()
        assert started.wait(60), "the launcher does not answer"
        with self._lock:
            running = self._programs[self._pids[number]] = Program(self._pids[number], output)
            if running.pid in self._early:
                running.ended(self._early.pop(running.pid))
        return running

    def tendies(self, *argv: object, faults: Sequence[Fault] = (), timeout_s: float = 60.0) -> Ended:
        """Run a command to its end."""
        return self.start("tendies", list(map(str, argv)), faults).wait(timeout_s)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            message = json.loads(line)
            if "started" in message:
                self._pids[message["started"]] = message["pid"]
                self._started[message["started"]].set()
                continue
            with self._lock:
                program = self._programs.pop(message["ended"], None)
                if program is None:
                    self._early[message["ended"]] = message["status"]
                else:
                    program.ended(message["status"])


@dataclass
class Server:
    """The embedded Model Server over the versions of ``candidates.py``, on a port that it keeps."""

    launcher: Launcher
    base: Path
    flags: tuple[str, ...] = ("--max_num_load_retries=0", "--num_load_threads=2")
    model_name: str = "stripes"
    port: int = field(default_factory=free_port)

    def __post_init__(self) -> None:
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        watched = (f"--model_name={self.model_name}", f"--model_base_path={self.base}")
        poll = "--file_system_poll_wait_seconds=0.1"
        self.program = self.launcher.start("server", [f"--rest_api_port={self.port}", *watched, poll, *self.flags])

    def stop(self) -> None:
        """SIGKILL, as a crash."""
        self.program.kill()
        self.program.wait(20)
