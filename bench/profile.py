"""
Where the time of one picture goes, from file to file: CPU time a picture of every stage of a batch run.

    python -m bench profile
    python -m bench.profile [nothing style stripes cyclegan] [--pictures 4000] [--rounds 3]

A whole `run_batch` works against the embedded Model Server, which is a process of its own. In both, the functions of
each stage are wrapped and each thread's CPU clock is read where one begins and ends (`bench.stages`). What TensorFlow
takes is what the server's process used besides its Python threads; its shares of decoding, network and encoding come
from TensorFlow's own trace of the same request (`bench.graph_time`). Rounds with and without the meter take turns, so
that the result shows what the meter costs. Files are in memory.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.batch_scale import many_names
from bench.contenders import LOGS, free_port
from bench.profiled_server import TENSORFLOW, Reading
from bench.results import Row, as_table, write_result
from bench.stages import Meter, measuring
from bench.workloads import MAKERS, MODEL_NAME, Workload, make_workloads
from tendies_ops.client import ModelServerClient
from tendies_ops.errors import ModelServerError
from tendies_ops.inference import BatchOptions, run_batch

RUN = "the run's own thread, queues, waking threads"
REPORT = "progress, report, contact sheet"  #: costs by the run, not by the picture
STAGES = {
    "list, plan": (
        "tendies_ops.inference.listing.listing:Listing._list",
        "tendies_ops.inference.plan:Plan.decide",
    ),
    "read the file": ("tendies_ops.inference.storage.local:LocalInput.read",),
    "look at its headers": ("tendies_ops.inference.requests.exchange:prepare",),
    "digests of file and result": ("tendies_ops.inference.requests.exchange:digest_bytes",),
    "pack: base64, join": ("tendies_ops.client.rest_client:predict_body",),
    "HTTP of the client: send, wait, receive": ("tendies_ops.client.rest_client:ModelServerClient._send",),
    "decode the answer": ("tendies_ops.client.rest_client:parse_files_answer",),
    "check the results, add their origin": (
        "tendies_ops.inference.requests.exchange:check_picture",
        "tendies_ops.inference.results:ResultMaker.make",
    ),
    "write, rename": ("tendies_ops.inference.storage.local:LocalOutput.write",),
    "ledger": (
        "tendies_ops.inference.requests.coordinator:make_record",
        "tendies_ops.inference.ledger.ledger:Ledger.append",
    ),
    REPORT: (
        "tendies_ops.inference.report.progress:ProgressReporter._report",
        "tendies_ops.inference.report.run_files:RunFiles.save",
    ),
}
PICTURES = {"nothing": 6000, "stripes": 400, "style": 64, "cyclegan": 16}  #: of a run: some seconds
START_TIMEOUT_S = 120.0


@dataclass(frozen=True)
class Spent:
    """
    One run.

    :param stages_cpu_s: of client and server, by stage; together all that both processes used.
    """

    pictures: int
    elapsed_s: float
    stages_cpu_s: Mapping[str, float]

    @property
    def cpu_s(self) -> float:
        """Of both processes."""
        return sum(self.stages_cpu_s.values())


class ProfiledServer:
    """A server of `bench.profiled_server`, as a child."""

    def __init__(self, workload: Workload) -> None:
        self.url = f"http://127.0.0.1:{(port := free_port())}"
        flags = [f"--rest_api_port={port}", f"--model_name={MODEL_NAME}"]
        flags += [f"--model_base_path={workload.model_base_path}"]
        flags += ["--tensorflow_intra_op_parallelism=1", "--tensorflow_inter_op_parallelism=2"]
        LOGS.mkdir(parents=True, exist_ok=True)
        with (LOGS / "profiled_server.log").open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "bench.profiled_server", *flags],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
            )  # fmt: skip

    def read(self) -> Reading:
        """Read what it has used so far."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return Reading(**json.loads(self._process.stdout.readline()))

    def wait(self) -> None:
        """Until it serves; TimeoutError when it never does."""
        deadline_s = time.monotonic() + START_TIMEOUT_S
        with ModelServerClient(self.url) as client:
            while time.monotonic() < deadline_s and self._process.poll() is None:
                with contextlib.suppress(ModelServerError):
                    client.serving_version(MODEL_NAME)
                    return
                time.sleep(0.2)
        raise TimeoutError(f"The server does not serve; see {LOGS / 'profiled_server.log'}.")

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(timeout=20)


@contextlib.contextmanager
def profiled_server(workload: Workload) -> Iterator[ProfiledServer]:
    """One that serves the workload's model, until the end of the block."""
    server = ProfiledServer(workload)
    try:
        server.wait()
        yield server
    finally:
        server.stop()


def run_once(server: ProfiledServer, workload: Workload, folder: Path, *, metered: bool) -> Spent:
    """
    One batch run over ``folder/in``.

    :param metered: read the clocks of the stages in this process (the server's are read always).
    """
    options = BatchOptions(
        input=str(folder / "in"), output=str(folder / "out"), model_name=MODEL_NAME, servers=(server.url,),
        max_batch_size=workload.batch_size,
    )  # fmt: skip
    meter, before = Meter(RUN), server.read()
    meter.measured(int, RUN)()  # this thread's clock begins here
    started = Counter(meter.cpu_s())
    cpu_s = time.process_time()
    with measuring(meter, STAGES if metered else {}):
        report = run_batch(options)
    cpu_s = time.process_time() - cpu_s
    if report.failed:
        raise RuntimeError(f"{report.failed} pictures failed: {report.failures[0].reason}")
    after = server.read()
    shutil.rmtree(folder / "out")
    client = rest_added(_less(meter.cpu_s(), started), cpu_s, RUN)
    of_server = _less(Counter(after.stages_cpu_s), Counter(before.stages_cpu_s))
    spent = rest_added(of_server, after.process_cpu_s - before.process_cpu_s, TENSORFLOW)
    return Spent(report.done, report.elapsed_s, {**client, **spent})


def take_turns(server: ProfiledServer, workload: Workload, folder: Path, *, metered_first: bool) -> tuple[Spent, Spent]:
    """Two runs, without the meter and with it, in this order or the other."""
    runs = {way: run_once(server, workload, folder, metered=way) for way in (metered_first, not metered_first)}
    return runs[False], runs[True]


def rest_added(stages_cpu_s: Counter[str], process_cpu_s: float, rest: str) -> Counter[str]:
    """Return the stages, with what else the process used given to one of them."""
    return stages_cpu_s + Counter({rest: process_cpu_s - stages_cpu_s.total()})


def _less(after: Counter[str], before: Counter[str]) -> Counter[str]:
    return Counter({stage: cpu_s - before[stage] for stage, cpu_s in after.items()})


def divided(stages_cpu_s: Mapping[str, float], shares: Mapping[str, float]) -> dict[str, float]:
    """Return the stages, with TensorFlow's parts in its place."""
    parts = {part: stages_cpu_s[TENSORFLOW] * share for part, share in shares.items()}
    return {stage: cpu_s for stage, cpu_s in stages_cpu_s.items() if stage != TENSORFLOW} | parts


def shares_in_tensorflow(workload: Workload) -> dict[str, float]:
    """How TensorFlow's own trace divides a request, in a process of its own."""
    picture = workload.model_base_path / "picture"
    picture.write_bytes(workload.picture)
    words = [str(workload.saved_model_dir), str(picture), str(workload.batch_size), "10"]
    command = [sys.executable, "-m", "bench.graph_time", *words]
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    told = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment)
    shares: dict[str, float] = json.loads(told.stdout.splitlines()[-1])
    return shares


def measure(workload: Workload, rounds: int, pictures: int | None, folder: Path) -> list[Row]:
    picture = folder / "picture"
    picture.write_bytes(workload.picture)
    shares = shares_in_tensorflow(workload)
    with profiled_server(workload) as server:
        many_names(picture, folder / "in", pictures or PICTURES[workload.name])
        run_once(server, workload, folder, metered=False)  # not counted: it finds cold caches
        turns = [take_turns(server, workload, folder, metered_first=number % 2 == 1) for number in range(rounds)]
        many_names(picture, folder / "one", 1)
        alone_s = statistics.median(command_cpu_s(server.url, folder) for _ in range(rounds))
    alone = Row(f"`tendies batch` of one picture, start and end included, {workload.title}",
                round(1e3 * alone_s), "CPU ms/run")  # fmt: skip
    return [*rows_of(workload.title, turns, shares), alone]


def command_cpu_s(server_url: str, folder: Path) -> float:
    """Measure the command on ``folder/one``: little more than Python, imports and the end."""
    command = [str(Path(sys.executable).with_name("tendies")), "batch", "--server", server_url, "--model", MODEL_NAME]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([*command, str(folder / "one"), str(folder / "out")], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    shutil.rmtree(folder / "out")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def rows_of(title: str, turns: Sequence[tuple[Spent, Spent]], shares: Mapping[str, float]) -> list[Row]:
    """Each stage's CPU time a picture, the dearest first; then what the meter costs, and how busy the machine was."""
    runs = [divided(metered.stages_cpu_s, shares) for _, metered in turns]
    cpu_s = {stage: statistics.median(run[stage] for run in runs) for stage in runs[0]}
    report_s, pictures = cpu_s.pop(REPORT), turns[0][0].pictures
    us = {stage: 1e6 * spent_s / pictures for stage, spent_s in cpu_s.items()}
    whole, total = f"the whole road, {title}", sum(us.values())
    rows = [
        Row(stage, round(cost, 2), "CPU us/image", whole, round(total, 1), round(cost / total, 4))
        for stage, cost in sorted(us.items(), key=lambda one: -one[1])
    ]
    meter = statistics.median(metered.cpu_s / plain.cpu_s for plain, metered in turns)
    busy = statistics.median(plain.cpu_s / (plain.elapsed_s * (os.cpu_count() or 1)) for plain, _ in turns)
    return [
        *rows,
        Row(f"{REPORT}, {title}", round(1e3 * report_s, 1), f"CPU ms/run of {pictures} pictures"),
        Row(f"cost of measuring it, {title}", round(meter, 3), "of the CPU time without"),
        Row(f"cores that work, {title}", round(busy, 3), "of all, on average"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workloads", nargs="*", default=["nothing", "style"], metavar="NAME", help=", ".join(MAKERS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--pictures", type=int, help="of one run; as many as take some seconds")
    arguments = parser.parse_args()
    rows = []
    for workload in make_workloads(tuple(arguments.workloads)):
        work = Path(tempfile.mkdtemp(prefix="tendies-profile-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
        try:
            rows += measure(workload, arguments.rounds, arguments.pictures, work)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    write_result("profile", rows, rounds=arguments.rounds)
    print(as_table(rows))


if __name__ == "__main__":
    main()
