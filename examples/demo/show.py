"""The demo from beginning to end."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from examples.demo.airflow_api import AirflowApi
from examples.demo.airflow_server import AirflowServer, start_airflow
from examples.demo.errors import DemoError
from examples.demo.lock import only_demo
from examples.demo.model_servers import start_model_server
from examples.demo.outcome import ModelOutcome, read_outcome
from examples.demo.pictures import copy_photographs
from examples.demo.place import DemoPlace
from examples.demo.ports import check_free
from examples.demo.processes import Program, find_marked, stop_marked
from examples.demo.road import ModelRoad
from examples.demo.specs import read_example_specs, write_demo_spec
from examples.demo.voice import Voice
from examples.noise_to_stripes.make_noise import write_noise_pictures
from tendies_ops.spec import ModelSpec

_DATABASE_TIMEOUT_S = 180.0
_AIRFLOW_TIMEOUT_S = 180.0
_DAGS_TIMEOUT_S = 120.0
_ROAD_TIMEOUT_S = 1200.0
_NOISE_PICTURES = 64
_NOISE_SEED = 7  # not the one that the model was trained on


@dataclass(frozen=True)
class DemoOptions:
    """What a person chooses."""

    once: bool
    airflow_port: int
    first_model_server_port: int


def run_demo(place: DemoPlace, options: DemoOptions, voice: Voice) -> int:
    """
    Run everything and return the exit status: 0 only if every run succeeded and every picture is there.

    :raises DemoError: something is in the way.
    """
    voice.line(
        "tendies demo: two trained models and real pictures, through a real Airflow. Everything lies in .demo/\n"
    )
    place.root.mkdir(parents=True, exist_ok=True)
    with only_demo(place.root / "lock", voice), _nothing_left(place, voice):
        show = Show(place, options, voice)
        show.prepare()
        show.start()
        show.travel()
        complete = show.tell()
        if not options.once:
            show.stay()
    return 0 if complete else 1


@contextlib.contextmanager
def _nothing_left(place: DemoPlace, voice: Voice) -> Iterator[None]:
    """Whatever an earlier demo left running is stopped first; whatever this one started is stopped last."""
    if count := stop_marked(place.root):
        voice.step(f"Stopped {count} processes that an earlier demo had left")
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C must not leave half of it running
        if find_marked(place.root):
            voice.step("Stopping Airflow and the Model Servers ...")
            stop_marked(place.root)
            voice.step(f"Stopped. Pictures and reports stay in {place.root / 'results'}")


class Show:
    """One demo: prepare, start, travel, tell, stay."""

    def __init__(self, place: DemoPlace, options: DemoOptions, voice: Voice) -> None:
        self._place = place
        self._options = options
        self._voice = voice
        self._specs: list[ModelSpec] = []
        self._programs: list[Program] = []
        self._roads: list[ModelRoad] = []
        self._airflow: AirflowServer | None = None

    def prepare(self) -> None:
        """Ports, specs and pictures."""
        self._specs = read_example_specs()
        check_free(self._options.airflow_port, what="Airflow", option="PORT")
        for _, port in self._with_ports():
            check_free(port, what="A Model Server", option="MODEL_SERVER_PORT")
        self._place.clear()
        for spec in self._specs:
            count, kind = self._make_pictures(spec.model_name)
            self._voice.step(f"{spec.model_name}: {count} {kind}")

    def _with_ports(self) -> list[tuple[ModelSpec, int]]:
        first = self._options.first_model_server_port
        return [(spec, first + index) for index, spec in enumerate(self._specs)]

    def _make_pictures(self, model_name: str) -> tuple[int, str]:
        directory = self._place.pictures(model_name)
        if "noise" in model_name:
            return len(write_noise_pictures(directory, _NOISE_PICTURES, _NOISE_SEED)), "noise pictures to work on"
        return copy_photographs(directory), "photographs to work on"

    def start(self) -> None:
        """Airflow and the Model Servers; returns when Airflow is well and knows every DAG."""
        servers = [start_model_server(self._place, spec.model_name, port) for spec, port in self._with_ports()]
        for server, spec in zip(servers, self._specs, strict=True):
            write_demo_spec(self._place, spec, server.url)
            self._voice.step(f"{spec.model_name}: Model Server at {server.url}, waiting for a first version")
        self._programs = [server.program for server in servers]
        self._voice.step("Starting Airflow (scheduler, DAG processor, triggerer, API server) ...")
        self._airflow = airflow = start_airflow(self._place, self._options.airflow_port, wait=self._wait_for_end)
        self._programs += airflow.programs
        api = AirflowApi(airflow)
        self._wait("Airflow is not up", api.is_healthy, _AIRFLOW_TIMEOUT_S)
        api.log_in()
        self._voice.step(f"Airflow is up at {airflow.url}  (user {airflow.user}, password {airflow.password})")
        self._roads = [ModelRoad(api, self._voice, spec.model_name) for spec in self._specs]
        self._wait("Airflow has not read the DAGs", lambda: self._has_dags(api), _DAGS_TIMEOUT_S)

    def _has_dags(self, api: AirflowApi) -> bool:
        if problems := api.import_errors():
            raise DemoError(f"Airflow cannot read a DAG file: {problems[0]}")
        return all(api.has_dag(dag_id) for road in self._roads for dag_id in (road.release_dag_id, road.batch_dag_id))

    def travel(self) -> None:
        """Release every model and run every batch."""
        for road in self._roads:
            road.set_out()
            self._voice.step(f"{road.model_name}: triggered {road.release_dag_id}")
        self._wait("The runs have not ended", self._look, _ROAD_TIMEOUT_S)

    def _look(self) -> bool:
        for road in self._roads:
            road.look()
        return all(road.has_ended for road in self._roads)

    def tell(self) -> bool:
        """Say what was done, and whether all of it was."""
        outcomes: list[ModelOutcome] = [read_outcome(self._place, road) for road in self._roads]
        for outcome in outcomes:
            outcome.tell(self._voice)
        complete = all(outcome.is_complete for outcome in outcomes)
        verdict = "Every run succeeded and every picture is there." if complete else "Not everything succeeded."
        self._voice.line(f"\n{verdict}\n", style="bold green" if complete else "bold red")
        return complete

    def stay(self) -> None:
        """Keep everything up until Ctrl-C."""
        airflow = self._airflow
        if airflow is None:
            return
        self._voice.line(f"Airflow   {airflow.url}   user {airflow.user}   password {airflow.password}", style="bold")
        self._voice.line(f"Pictures  {airflow.url}/plugin/tendies")
        self._voice.line("Everything stays up until Ctrl-C.\n")
        with contextlib.suppress(KeyboardInterrupt):
            while True:
                self._check_programs()
                time.sleep(1)

    def _wait_for_end(self, program: Program) -> None:
        self._wait(f"{program.name} is not ready", lambda: program.process.poll() is not None, _DATABASE_TIMEOUT_S)

    def _wait(self, what: str, check: Callable[[], bool], timeout_s: float) -> None:
        deadline_s = time.monotonic() + timeout_s
        while not check():
            self._check_programs()
            if time.monotonic() > deadline_s:
                raise DemoError(f"{what} after {timeout_s:.0f} s. The logs are in {self._place.logs}.")
            time.sleep(0.5)

    def _check_programs(self) -> None:
        for program in self._programs:
            program.check()
