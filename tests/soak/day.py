"""All that happens on the day, and the notes that are taken."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.launching import Launcher
from tests.faults.wire import Wire
from tests.soak.batches import Batches
from tests.soak.models import MODEL_NAME, make_models
from tests.soak.releases import Releases
from tests.soak.watching import Watcher
from tests.support.candidates import picture
from tests.support.model_server import RunningServer, start_model_server
from tests.support.ports import free_port
from tests.support.steady_load import SteadyLoad

SIMULATED_MINUTE_S = 40 * 60 / (24 * 60)
_SERVER_FLAGS = ("--max_num_load_retries=0", "--num_load_threads=2", "--file_system_poll_wait_seconds=0.2")
_AWAY_S = 3.0  # what a restart may cost the clients after the server is back


@dataclass
class Notes:
    """What was counted, and everything that was wrong. Threads share it."""

    counts: Counter[str] = field(default_factory=Counter)
    wrong: dict[int, list[str]] = field(default_factory=dict)  #: invariant of design -> what broke it
    outages: list[tuple[float, float]] = field(default_factory=list)  #: the server was killed: from, until
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, what: str) -> None:
        with self._lock:
            self.counts[what] += 1

    def broke(self, invariant: int, problems: list[str]) -> None:
        with self._lock:
            self.wrong.setdefault(invariant, []).extend(problems)
        for problem in problems:
            print(f"  INVARIANT {invariant}: {problem}", flush=True)

    def outage_at(self, at_s: float) -> bool:
        return any(begin <= at_s <= end for begin, end in self.outages)


class Day:
    """Everything that one soak starts."""

    def __init__(self, folder: Path, *, seed: int) -> None:
        self.folder, self.seed = folder, seed
        self.notes = Notes()
        self.base = folder / "base"
        self.base.mkdir()
        self.models = make_models(folder / "models")
        self.port = free_port()

    def run(self, seconds: float) -> None:
        """To its end; the last release and the last batch are undisturbed."""
        over = threading.Event()
        self.temporary = _made(self.folder / "tmp")
        with Launcher(_made(self.folder / "launched"), temporary=self.temporary) as launcher:
            self.server = self._start_server()
            try:
                with Wire(f"http://127.0.0.1:{self.port}") as wire:
                    self._live(launcher, wire, over, seconds)
            finally:
                self.server.stop()

    def _live(self, launcher: Launcher, wire: Wire, over: threading.Event, seconds: float) -> None:
        self.releases = Releases(self, launcher, over, random.Random(self.seed))
        self.releases.first()
        self.batches = Batches(self, launcher, wire, over, random.Random(self.seed + 1))
        self.watcher = Watcher(self, over)
        self.clients = SteadyLoad(self.url, MODEL_NAME, picture(7), pause_s=0.05)
        with self.clients:
            work_at_once([self.releases.run, self.batches.run, self.watcher.run], over, seconds)
            self.releases.last()
            self.batches.last()
            self.watcher.look()

    def restart_server(self) -> None:
        """SIGKILL, and a new one on the same port."""
        began_s = time.monotonic()
        self.server.kill()
        self.server = self._start_server(wait=True)
        self.notes.outages.append((began_s - 1.0, time.monotonic() + _AWAY_S))
        self.notes.count("server killed")

    def _start_server(self, *, wait: bool = False) -> RunningServer:
        watched = (f"--model_name={MODEL_NAME}", f"--model_base_path={self.base}")
        return start_model_server(*watched, *_SERVER_FLAGS, port=self.port, wait=wait)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def work_at_once(works: Sequence[Callable[[], None]], over: threading.Event, seconds: float) -> None:
    """Each in a thread, for so long. What one of them stumbles over is raised: a day that ended early is none."""
    with ThreadPoolExecutor(len(works)) as pool:
        running = [pool.submit(work) for work in works]
        wait(running, timeout=seconds, return_when=FIRST_EXCEPTION)
        over.set()
    for work in running:
        work.result()


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder
