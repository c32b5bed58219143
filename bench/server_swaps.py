"""
What a swap costs the clients of the embedded Model Server, and how soon it starts.

Four clients ask without a pause. p99 of the requests in flight while versions are swapped is compared with p99 with a
neighbour that only burns a core, since loading a version needs CPU that the two cores do not have to spare.
"""

from __future__ import annotations

import argparse
import http.client
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.contenders import request_body
from bench.results import Row, write_result
from bench.workloads import Workload, make_workloads

CLIENTS = 4

Span = tuple[float, float]  # when something began and ended, by the monotonic clock


@dataclass
class Load:
    """Clients, and what they saw: when each request was sent, how long it took, or how it failed."""

    port: int
    body: bytes
    times: list[tuple[float, float]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Let them ask."""
        stopping = threading.Event()
        threads = [threading.Thread(target=self._ask, args=(stopping,), daemon=True) for _ in range(CLIENTS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stopping.set()
            for thread in threads:
                thread.join()

    def _ask(self, stopping: threading.Event) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        while not stopping.is_set():
            asked_s = time.monotonic()
            connection.request("POST", "/v1/models/m:predict", self.body)
            response = connection.getresponse()
            answer = response.read()
            self.times.append((asked_s, time.monotonic() - asked_s))
            if response.status != 200:
                self.failures.append(f"{response.status}: {answer[:200]!r}")

    def p99_ms(self, spans: list[Span]) -> float:
        """Of the requests sent in any of these spans."""
        found = sorted(took for asked, took in self.times if any(start <= asked < end for start, end in spans))
        return found[int(0.99 * (len(found) - 1))] * 1e3


@contextmanager
def server(base_path: Path) -> Iterator[tuple[int, float]]:
    """Serve ``m``; tells the port and the seconds until it is open."""
    port = 18700 + int(time.monotonic() * 10) % 900
    flags = [f"--rest_api_port={port}", "--model_name=m", f"--model_base_path={base_path}"]
    started_s = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "tendies_ops.server.run_server", *flags, "--file_system_poll_wait_seconds=0.2"],
        stderr=subprocess.DEVNULL,
    )
    try:
        while not _states(port):
            time.sleep(0.01)
        yield port, time.monotonic() - started_s
    finally:
        process.terminate()
        process.wait()


def _states(port: int) -> dict[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", "/v1/models/m")
        answer = json.loads(connection.getresponse().read())
    except ConnectionRefusedError:
        return {}
    finally:
        connection.close()
    return {int(entry["version"]): entry["state"] for entry in answer["model_version_status"]}


def swap_up(base_path: Path, port: int, model: Path, version: int, *, replaces: int) -> Span:
    """Publish a version and wait until it has replaced the one before."""
    staging = base_path / f".{version}"
    staging.symlink_to(model)
    began_s = time.monotonic()
    staging.rename(base_path / str(version))
    return began_s, _wait_for_end(port, replaces)


def withdraw(base_path: Path, port: int, version: int) -> Span:
    """Take a version away and wait until the one before has replaced it."""
    began_s = time.monotonic()
    (base_path / str(version)).unlink()
    return began_s, _wait_for_end(port, version)


def _wait_for_end(port: int, version: int) -> float:
    while _states(port).get(version) != "END":
        time.sleep(0.05)
    return time.monotonic()


def swap_and_withdraw(
    base_path: Path, port: int, model: Path, *, swaps: int, withdrawals: int
) -> tuple[list[Span], list[Span]]:
    """Publish version after version, and take some of them away again at once; the spans of both."""
    ups: list[Span] = []
    downs: list[Span] = []
    every = max(1, swaps // max(1, withdrawals))
    serving = 1
    for version in range(2, swaps + 2):
        ups.append(swap_up(base_path, port, model, version, replaces=serving))
        if len(ups) % every == 0 and len(downs) < withdrawals:
            downs.append(withdraw(base_path, port, version))
        else:
            serving = version
    return ups, downs


@contextmanager
def busy_neighbour() -> Iterator[None]:
    """Burn one core."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def measure(workload: Workload, *, swaps: int, withdrawals: int, seconds: float) -> list[Row]:
    """Steady, next to a neighbour, and while swapping, one after the other."""
    body = request_body(workload)
    with tempfile.TemporaryDirectory() as place, server(_first_version(workload, Path(place))) as (port, start_s):
        load = Load(port, body)
        with load.running():
            steady = _for(seconds)
            with busy_neighbour():
                crowded = _for(seconds)
            ups, downs = swap_and_withdraw(
                Path(place), port, workload.saved_model_dir, swaps=swaps, withdrawals=withdrawals
            )
        swapping, beside, alone = load.p99_ms(ups + downs), load.p99_ms([crowded]), load.p99_ms([steady])
        took = statistics.median(end - start for start, end in ups)
        failed = f"{len(load.failures)} of {len(load.times)} requests failed"
    print(f"{workload.title}: p99 {alone:.1f} ms alone, {beside:.1f} beside another, {swapping:.1f} in swaps; {failed}")
    return [
        Row(f"p99 while swapping, {workload.title}", round(swapping, 1), "ms", "the same load beside a busy neighbour",
            round(beside, 1), round(swapping / beside, 2), "<= 1.5",
            {"alone_ms": round(alone, 1), "swaps": len(ups), "withdrawals": len(downs)}),
        Row("failed requests", len(load.failures), "requests", f"{len(load.times)} sent", promise="0"),
        Row("publish to the old version's end", round(took, 2), "s"),
        _start_row(workload, start_s),
    ]  # fmt: skip


def _first_version(workload: Workload, base_path: Path) -> Path:
    shutil.copytree(workload.saved_model_dir, base_path / "1")
    return base_path


def _for(seconds: float) -> tuple[float, float]:
    began_s = time.monotonic()
    time.sleep(seconds)
    return began_s, time.monotonic()


def _start_row(workload: Workload, start_s: float) -> Row:
    code = f"import tensorflow as tf; tf.saved_model.load({str(workload.saved_model_dir)!r})"
    began_s = time.monotonic()
    subprocess.run([sys.executable, "-c", code], check=True, stderr=subprocess.DEVNULL)
    python_s = time.monotonic() - began_s
    return Row(
        f"start until the port is open, {workload.title}",
        round(start_s, 2),
        "s",
        "import tensorflow and load the model",
        round(python_s, 2),
        round(start_s / python_s, 2),
        "<= 1.3",
    )


def main() -> None:
    """Read the command line, measure, write ``bench/results/server_swaps.json``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--swaps", type=int, default=50)
    parser.add_argument("--withdrawals", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=8.0, help="of each steady phase")
    arguments = parser.parse_args()
    (workload,) = make_workloads(("nothing",))
    rows = measure(workload, swaps=arguments.swaps, withdrawals=arguments.withdrawals, seconds=arguments.seconds)
    print(f"Wrote {write_result('server_swaps', rows, clients=CLIENTS)}")


if __name__ == "__main__":
    main()
