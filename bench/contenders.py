"""Starting, driving and stopping what is measured: TensorFlow in process, the embedded Model Server, and its peers."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from bench.environments import ENVIRONMENTS, environment_python
from bench.results import Row
from bench.workloads import MODEL_NAME, PATH, Workload
from tendies_ops.rest_api.predict import parse_files_answer, predict_body

PEERS = Path(__file__).parent / "peers"
LOGS = ENVIRONMENTS / "logs"
START_TIMEOUT_S = 180.0
LIMITS = {
    "signature": "TensorFlow in process",
    "session": "TensorFlow in process, as a session",
    "caller": "TensorFlow in process, as a session on the caller's thread",
}
#: What everybody runs fastest with on two cores: glibc keeps what was freed, and threads share its heaps.
HEAP = {"MALLOC_TRIM_THRESHOLD_": str(64 << 20), "MALLOC_MMAP_THRESHOLD_": str(32 << 20), "MALLOC_ARENA_MAX": "2"}
#: What the embedded server is fastest with on two cores: two requests are worked on, each by a thread of its own; a
#: third one waits instead of taking turns with them, and is there when one of them is done. One more thread receives.
FASTEST_FLAGS = (
    "--tensorflow_intra_op_parallelism=1",
    "--tensorflow_inter_op_parallelism=-1",
    "--rest_api_num_threads=3",
)
TITLES = {"fastapi": "FastAPI", "kserve": "KServe", "bentoml": "BentoML", "litserve": "LitServe", "ray": "Ray Serve"}


@dataclass
class Child:
    """A child process that answers lines of its standard input, what to do, with the seconds that it took."""

    process: subprocess.Popen[str]

    def ask(self, *numbers: int) -> float:
        """Send one line; seconds come back."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(" ".join(map(str, numbers)) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError("A child of the bench ended; see .bench/logs/.")
        return float(answer)


@dataclass
class Contender:
    """
    Something that turns pictures into pictures.

    :param lanes: requests under way at a time: connections of the client, or threads in process.
    """

    name: str
    title: str
    process: subprocess.Popen[str]
    workload: Workload
    lanes: int
    started_s: float = field(default_factory=time.monotonic, kw_only=True)
    seconds_to_first_picture: float = field(default=0.0, kw_only=True)

    def work(self, requests: int) -> float:
        """Let it answer this many requests of the workload's size; tell the seconds that it took."""
        raise NotImplementedError

    def memory_mb(self) -> float:
        """Tell the resident memory of it and its children, shared pages counted for each."""
        return sum(process.memory_info().rss for process in self._family()) / 1e6

    def cpu_s(self) -> float:
        """Tell the CPU seconds that it and its children have used."""
        return sum(times.user + times.system for times in (process.cpu_times() for process in self._family()))

    def client_cpu_s(self) -> float:
        """Tell the CPU seconds that its client has used."""
        return 0.0

    def is_ready(self) -> None:
        """Note that the first picture came back."""
        self.seconds_to_first_picture = time.monotonic() - self.started_s

    def _family(self) -> list[psutil.Process]:
        parent = psutil.Process(self.process.pid)
        return [*parent.children(recursive=True), parent]

    def stop(self) -> None:
        """End it and its children, as far as they are still there."""
        if self.process.poll() is not None:
            return
        family = self._family()
        self.process.terminate()
        _, alive = psutil.wait_procs(family, timeout=10)
        for process in alive:
            process.kill()


class InProcess(Contender):
    """The limit."""

    def work(self, requests: int) -> float:
        """Ask the child over its pipe."""
        return Child(self.process).ask(requests, self.lanes, self.workload.batch_size)


@dataclass
class Server(Contender):
    """One behind HTTP, driven by the client's process."""

    port: int
    client: Child

    def work(self, requests: int) -> float:
        """Have the same request posted again and again, on whichever connection is free."""
        return self.client.ask(self.port, requests, self.lanes)

    def client_cpu_s(self) -> float:
        """Tell the CPU seconds that the client has used."""
        times = psutil.Process(self.client.process.pid).cpu_times()
        return times.user + times.system

    def wait_until_ready(self) -> None:
        """Post one request until it is answered rightly."""
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                files = self.first_pictures()
            except (OSError, http.client.HTTPException, ConnectionError) as error:
                if time.monotonic() > deadline_s or self.process.poll() is not None:
                    raise RuntimeError(f"{self.title} did not start; see .bench/logs/.") from error
                time.sleep(0.3)
                continue
            if not files[0].startswith(b"\x89PNG"):
                raise RuntimeError(f"{self.title} answers files that are not what was asked for.")
            return

    def first_pictures(self) -> list[bytes]:
        """
        Post one request.

        :raises ConnectionError: it is not answered with 200.
        """
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("POST", PATH, request_body(self.workload), {"Content-Type": "application/json"})
            response = connection.getresponse()
            answer = response.read()
        finally:
            connection.close()
        if response.status != 200:
            raise ConnectionError(f"HTTP {response.status}: {answer[:200]!r}")
        return parse_files_answer(answer, self.workload.batch_size)


def request_body(workload: Workload) -> bytes:
    """Make the body that Model Server takes."""
    return predict_body([workload.picture] * workload.batch_size)


def start_contenders(
    stack: ExitStack, workload: Workload, peers: tuple[str, ...], *, lanes: int, limits: Iterable[str] = LIMITS
) -> list[Contender]:
    """
    Start the limits, ourselves and the peers, in this order, each after the one before is ready.

    :param stack: stops them.
    :param lanes: requests under way at a time.
    :param limits: ways to run TensorFlow in process, of :data:`LIMITS`.
    :return: a peer that does not start is named and left out.
    """
    picture = workload.model_base_path / "picture"
    picture.write_bytes(workload.picture)
    client = start_client(stack, workload, picture)
    in_process = [_start_in_process(stack, workload, way, picture, lanes) for way in limits]
    ours = _start_server(stack, workload, "tendies", client, lanes)
    started = [_start_peer(stack, workload, name, client, lanes) for name in peers]
    return [*in_process, ours, *filter(None, started)]


def start_client(stack: ExitStack, workload: Workload, picture: Path) -> Child:
    """
    Start the process that drives servers.

    :param picture: the file that it posts, as often as the workload's requests hold one.
    """
    command = [sys.executable, "-m", "bench.load_client", str(picture), str(workload.batch_size)]
    process = start_child("client", command, workload, answers=True)
    stack.callback(process.wait)
    stack.callback(process.terminate)
    return Child(process)


def _start_in_process(stack: ExitStack, workload: Workload, way: str, picture: Path, lanes: int) -> Contender:
    command = [sys.executable, "-m", "bench.peers.in_process", str(picture), way]
    process = start_child(f"in_process_{way}", command, workload, answers=True)
    contender = InProcess(way, LIMITS[way], process, workload, lanes)
    stack.callback(contender.stop)
    assert process.stdout is not None
    if process.stdout.readline().strip() != "ready":
        raise RuntimeError("TensorFlow in process did not start; see .bench/logs/.")
    contender.is_ready()
    return contender


def _start_server(stack: ExitStack, workload: Workload, name: str, client: Child, lanes: int) -> Contender:
    port = free_port()
    command = _tendies_command(workload, port) if name == "tendies" else _peer_command(name, port)
    process = start_child(name, command, workload)
    server = Server(name, TITLES.get(name, "tendies serve"), process, workload, lanes, port, client)
    stack.callback(server.stop)
    server.wait_until_ready()
    server.is_ready()
    return server


def _start_peer(stack: ExitStack, workload: Workload, name: str, client: Child, lanes: int) -> Contender | None:
    try:
        return _start_server(stack, workload, name, client, lanes)
    except (RuntimeError, subprocess.CalledProcessError) as error:  # it does not start, or cannot be installed
        print(f"{error} It is left out.", file=sys.stderr, flush=True)
        return None


def left_out(peers: Sequence[str], rows: Sequence[Row], titles: Mapping[str, str]) -> list[str]:
    """Give the titles of the peers that have no rows."""
    measured = {row.more["contender"] for row in rows if row.more}
    return [titles[peer] for peer in peers if peer not in measured]


def _tendies_command(workload: Workload, port: int) -> list[str]:
    command = [sys.executable, "-m", "tendies_ops.server.run_server", f"--rest_api_port={port}"]
    command += [f"--model_name={MODEL_NAME}", f"--model_base_path={workload.model_base_path}"]
    return [*command, *FASTEST_FLAGS]


def _peer_command(name: str, port: int) -> list[str]:
    python = environment_python(name)
    if name != "bentoml":
        return [str(python), str(PEERS / f"{name}_server.py"), str(port)]
    command = [str(python.with_name("bentoml")), "serve", f"{name}_server:Style", "--working-dir", str(PEERS)]
    return [*command, "--host", "127.0.0.1", "--port", str(port)]


def start_child(name: str, command: list[str], workload: Workload, *, answers: bool = False) -> subprocess.Popen[str]:
    """
    Start a child, for the workload. What it says goes to ``.bench/logs/<name>.log``.

    :param answers: its standard output is a pipe to us instead.
    """
    environment = {**os.environ, "BENCH_SAVED_MODEL": str(workload.saved_model_dir), "TF_CPP_MIN_LOG_LEVEL": "2"}
    environment |= HEAP
    environment |= {"BENTOML_DO_NOT_TRACK": "True", "RAY_USAGE_STATS_ENABLED": "0", "PYTHONWARNINGS": "ignore"}
    LOGS.mkdir(parents=True, exist_ok=True)
    with (LOGS / f"{name}.log").open("w", encoding="utf-8") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE if answers else log,
            stderr=log,
            text=True,
            env=environment,
            cwd=PEERS.parents[1],
        )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
