"""Starting, driving and stopping what is measured: TensorFlow in process, the embedded Model Server, and its peers."""

from __future__ import annotations

import base64
import http.client
import json
import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from bench.environments import ENVIRONMENTS, environment_python
from bench.workloads import Workload

PEERS = Path(__file__).parent / "peers"
LOGS = ENVIRONMENTS / "logs"
CONNECTIONS = 2
START_TIMEOUT_S = 180.0


@dataclass
class Contender:
    """Something that turns pictures into pictures."""

    name: str
    title: str
    process: subprocess.Popen[str]
    workload: Workload
    started_s: float = field(default_factory=time.monotonic, kw_only=True)
    seconds_to_first_picture: float = field(default=0.0, kw_only=True)

    def measure(self, seconds: float) -> float:
        """Let it work and tell the images per second."""
        raise NotImplementedError

    def memory_mb(self) -> float:
        """Tell the resident memory of it and its children, shared pages counted for each."""
        return sum(process.memory_info().rss for process in self._family()) / 1e6

    def cpu_s(self) -> float:
        """Tell the CPU seconds that it and its children have used."""
        return sum(times.user + times.system for times in (process.cpu_times() for process in self._family()))

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

    def measure(self, seconds: float) -> float:
        """Ask the child over its pipe."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{seconds} {CONNECTIONS} {self.workload.batch_size}\n")
        self.process.stdin.flush()
        return float(json.loads(self.process.stdout.readline()))


@dataclass
class Server(Contender):
    """One behind HTTP, driven over as many connections as there are cores."""

    port: int
    path: str

    def measure(self, seconds: float) -> float:
        """Post the same request again and again on each connection."""
        body = request_body(self.workload)
        done = [0] * CONNECTIONS
        started_s = time.perf_counter()

        def work(index: int) -> None:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
            while time.perf_counter() - started_s < seconds:
                post(connection, self.path, body)
                done[index] += self.workload.batch_size
            connection.close()

        workers = [threading.Thread(target=work, args=(index,)) for index in range(CONNECTIONS)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        if not all(done):
            raise RuntimeError(f"{self.title} failed a request; see .bench/logs/.")
        return sum(done) / (time.perf_counter() - started_s)

    def wait_until_ready(self) -> None:
        """Post one request until it is answered rightly."""
        deadline_s = time.monotonic() + START_TIMEOUT_S
        body = request_body(self.workload)
        while True:
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
                answer = json.loads(post(connection, self.path, body))
            except (OSError, http.client.HTTPException, RuntimeError) as error:
                if time.monotonic() > deadline_s or self.process.poll() is not None:
                    raise RuntimeError(f"{self.title} did not start; see .bench/logs/.") from error
                time.sleep(0.3)
                continue
            finally:
                connection.close()
            files = [base64.b64decode(item["b64"]) for item in answer["predictions"]]
            if len(files) != self.workload.batch_size or not files[0].startswith(b"\x89PNG"):
                raise RuntimeError(f"{self.title} answers {len(files)} files that are not what was asked for.")
            return


def request_body(workload: Workload) -> bytes:
    """Make the body that Model Server takes."""
    instance = {"b64": base64.b64encode(workload.picture).decode("ascii")}
    return json.dumps({"instances": [instance] * workload.batch_size}).encode("ascii")


def post(connection: http.client.HTTPConnection, path: str, body: bytes) -> bytes:
    """
    Post and read the whole answer.

    :raises RuntimeError: the status is not 200.
    """
    connection.request("POST", path, body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    answer = response.read()
    if response.status != 200:
        raise RuntimeError(f"HTTP {response.status}: {answer[:200]!r}")
    return answer


def start_contenders(stack: ExitStack, workload: Workload, peers: tuple[str, ...]) -> list[Contender]:
    """
    Start the limit, ourselves and the peers, in this order, each after the one before is ready.

    :param stack: stops them.
    """
    return [
        _start_in_process(stack, workload),
        _start_tendies(stack, workload),
        *(_start_peer(stack, workload, name) for name in peers),
    ]


def _start_in_process(stack: ExitStack, workload: Workload) -> Contender:
    picture = workload.model_base_path / "picture"
    picture.write_bytes(workload.picture)
    process = _start("in_process", [sys.executable, str(PEERS / "in_process.py"), str(picture)], workload, answers=True)
    contender = InProcess("in_process", "TensorFlow in process", process, workload)
    stack.callback(contender.stop)
    assert process.stdout is not None
    if process.stdout.readline().strip() != "ready":
        raise RuntimeError("TensorFlow in process did not start; see .bench/logs/.")
    contender.is_ready()
    return contender


def _start_tendies(stack: ExitStack, workload: Workload) -> Contender:
    port = _free_port()
    command = [sys.executable, "-m", "tendies_ops.server.main", f"--rest_api_port={port}"]
    command += [f"--model_name={workload.name}", f"--model_base_path={workload.model_base_path}"]
    command += ["--tensorflow_intra_op_parallelism=1", "--tensorflow_inter_op_parallelism=2"]
    path = f"/v1/models/{workload.name}:predict"
    server = Server("tendies", "tendies serve", _start("tendies", command, workload), workload, port, path)
    return _ready(stack, server)


def _start_peer(stack: ExitStack, workload: Workload, name: str) -> Contender:
    port, python = _free_port(), environment_python(name)
    command = [str(python), str(PEERS / f"{name}_server.py"), str(port)]
    if name == "bentoml":
        module = f"{name}_server:Style"
        command = [str(python.with_name("bentoml")), "serve", module, "--working-dir", str(PEERS)]
        command += ["--host", "127.0.0.1", "--port", str(port)]
    titles = {"fastapi": "FastAPI", "kserve": "KServe", "bentoml": "BentoML", "litserve": "LitServe"}
    path = "/v1/models/style:predict" if name == "kserve" else "/predict"
    server = Server(name, titles.get(name, name), _start(name, command, workload), workload, port, path)
    return _ready(stack, server)


def _ready(stack: ExitStack, server: Server) -> Server:
    stack.callback(server.stop)
    server.wait_until_ready()
    server.is_ready()
    return server


def _start(name: str, command: list[str], workload: Workload, *, answers: bool = False) -> subprocess.Popen[str]:
    """
    Start a child. What it says goes to ``.bench/logs/<name>.log``.

    :param answers: its standard output is a pipe to us instead.
    """
    environment = {**os.environ, "BENCH_SAVED_MODEL": str(workload.saved_model_dir), "TF_CPP_MIN_LOG_LEVEL": "2"}
    environment |= {"BENTOML_DO_NOT_TRACK": "True"}
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


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
