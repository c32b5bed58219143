"""Everything that ``tendies dev`` starts for a working folder."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tendies_ops.dev.airflow_server import AirflowServer, start_airflow
from tendies_ops.dev.error import DevError
from tendies_ops.dev.folder_lock import only_one
from tendies_ops.dev.model_servers import ModelServers
from tendies_ops.dev.ports import check_free
from tendies_ops.dev.processes import Program, find_marked, stop_marked
from tendies_ops.dev.voice import Voice
from tendies_ops.errors import SpecError
from tendies_ops.spec import ModelSpec, load_indexed_specs
from tendies_ops.working_folder import make_folder

_STEP_TIMEOUT_S = 180.0
_LOOK_AT_SPECS_EVERY_S = 2.0
_FORK_S = 0.3  #: a child has its mark only after the exec that follows its fork


@dataclass(frozen=True)
class DevOptions:
    """The ports, and what the programs need besides."""

    airflow_port: int = 8080
    model_server_port: int = 8501
    with_model_server: bool = True
    environment: Mapping[str, str] = field(default_factory=dict)


@contextlib.contextmanager
def running(folder: Path, options: DevOptions, voice: Voice) -> Iterator[Installation]:
    """
    Start Airflow and Model Servers for a working folder, and stop them at the end. Files in the folder are kept.

    Processes that an earlier start has left are stopped first.

    :raises DevError: another start is running, a port is taken, or a program ends early.
    """
    folder = folder.absolute()
    make_folder(folder)
    (folder / "logs").mkdir(exist_ok=True)
    (folder / ".airflow").mkdir(exist_ok=True)
    with only_one(folder / ".airflow" / "lock", voice), _nothing_left(folder, voice):
        installation = Installation(folder, options, voice)
        installation.start()
        yield installation


@contextlib.contextmanager
def _nothing_left(folder: Path, voice: Voice) -> Iterator[None]:
    if count := stop_marked(folder):
        voice.step(f"Stopped {count} processes that an earlier start had left")
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C must not leave half of it running
        time.sleep(_FORK_S)
        if find_marked(folder):
            voice.step("Stopping Airflow and the Model Servers ...")
            stop_marked(folder)
            voice.step(f"Stopped. Everything is kept in {folder}")


class Installation:
    """A running Airflow with Model Servers."""

    def __init__(self, folder: Path, options: DevOptions, voice: Voice) -> None:
        self.folder = folder
        self._options = options
        self._voice = voice
        self._base = {**_outer_environment(), "KERAS_HOME": str(folder / ".airflow" / "keras"), **options.environment}
        self._servers = ModelServers(folder, options.model_server_port, self._base)
        self._airflow: AirflowServer | None = None
        self._problem = ""
        self._looked_s = 0.0

    @property
    def airflow(self) -> AirflowServer:
        """The running Airflow."""
        if self._airflow is None:
            raise DevError("Airflow has not been started.")
        return self._airflow

    def start(self) -> None:
        """Start everything and return when Airflow is healthy."""
        check_free(self._options.airflow_port, what="Airflow", option="--port")
        self.serve_models()
        self._voice.step("Starting Airflow (scheduler, DAG processor, triggerer, API server) ...")
        self._airflow = start_airflow(
            self.folder,
            self._options.airflow_port,
            self._options.model_server_port,
            base=self._base,
            wait=lambda program: self.wait(f"{program.name} is not ready", lambda: _has_ended(program)),
        )
        self.wait("Airflow is not up", self._airflow.is_healthy)
        self._voice.step(
            f"Airflow is up at {self.airflow.url}  (user {self.airflow.user}, password {self.airflow.password})"
        )

    def specs(self) -> list[ModelSpec]:
        """Return the sound specs of the index; a wrong one is reported once."""
        problems: list[SpecError] = []
        try:
            found = load_indexed_specs(self.folder / "specs", on_problem=problems.append)
        except SpecError as error:
            found, problems = [], [error]
        problem = " ".join(map(str, problems))
        if problem and problem != self._problem:
            self._voice.step(problem, style="red")
        self._problem = problem
        return found

    def serve_models(self) -> None:
        """Let the Model Servers serve the models that the index names now."""
        if self._options.with_model_server:
            for change in self._servers.serve(self.specs()):
                self._voice.step(change)

    def stay(self) -> None:
        """Keep everything up until Ctrl-C; models that are added to the index are served."""
        with contextlib.suppress(KeyboardInterrupt):
            while True:
                self.check()
                time.sleep(1)

    def wait(self, what: str, is_done: Callable[[], bool], timeout_s: float = _STEP_TIMEOUT_S) -> None:
        """
        Wait until something is done while every program runs.

        :raises DevError: it takes too long, or a program has ended.
        """
        deadline_s = time.monotonic() + timeout_s
        while not is_done():
            self.check()
            if time.monotonic() > deadline_s:
                raise DevError(f"{what} after {timeout_s:.0f} s. The logs are in {self.folder / 'logs'}.")
            time.sleep(0.5)

    def check(self) -> None:
        """
        Serve the models that are in the index now, and make sure that every program runs.

        :raises DevError: one has ended.
        """
        if time.monotonic() - self._looked_s > _LOOK_AT_SPECS_EVERY_S:
            self._looked_s = time.monotonic()
            self.serve_models()
        for program in (*self._servers.programs.values(), *(self._airflow.programs if self._airflow else ())):
            program.check()


def _has_ended(program: Program) -> bool:
    return program.process.poll() is not None


def _outer_environment() -> dict[str, str]:
    """Return this process's environment without what would change the folder's Airflow from outside."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "_AIRFLOW", "TENDIES"))
    }
    return {**kept, "PYTHONUNBUFFERED": "1", "TF_CPP_MIN_LOG_LEVEL": "2"}
