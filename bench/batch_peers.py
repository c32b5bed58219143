"""
A folder of pictures to a folder of results, as a whole job: tendies, Ray Data, Beam, and TensorFlow alone.

    python -m bench.batch_peers [nothing style cyclegan] [--rounds 3] [--peers ray_data beam] [--pictures N]

Each contender is a command that begins with nothing running and ends when the folder is done: Python, imports, loading
the SavedModel, all of it. For tendies that is a Model Server that is started, `tendies batch`, and the server's end;
once more with the server already up, as it is in production. They take turns on the same cores. When the first and the
last result came is told by the files. Memory and CPU time are of the command and all its children, looked at ten times
a second. Files are in memory.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from bench.batch_scale import many_names
from bench.contenders import LOGS, PEERS, Server, left_out, start_contenders
from bench.environments import environment_python
from bench.results import Row, as_table, merge_result
from bench.runner import end_family
from bench.workloads import CHECKOUT, Workload, make_workloads

LIMIT, OURS, SERVED = "in_process", "tendies", "tendies_served"
TITLES = {
    LIMIT: "TensorFlow in process, two threads",
    OURS: "tendies, server started for it",
    SERVED: "tendies, server is up",
    "ray_data": "Ray Data",
    "beam": "Beam RunInference",
}
PEERS_OF_JOBS = ("ray_data", "beam")
LOOK_EVERY_S = 0.1
TIMEOUT_S = 240.0
UNITS = {
    "rate": "images/s from first to last",
    "whole_rate": "images/s, start and end included",
    "cpu_ms": "CPU ms/image",
    "memory_mb": "MB at most",
    "first_s": "s to the first picture",
}


@dataclass(frozen=True)
class Plan:
    """How many pictures a job has, some seconds of work, and how often each contender gets its turn."""

    pictures: int
    rounds: int


PLANS = {"nothing": Plan(8000, 2), "stripes": Plan(800, 2), "style": Plan(96, 3), "cyclegan": Plan(12, 2)}


@dataclass(frozen=True)
class Job:
    """What one job did, by the keys of :data:`UNITS`."""

    figures: dict[str, float]


@dataclass
class Family:
    """A process and its children: what they use, as long as they can be asked."""

    pids: Sequence[int]
    peak_bytes: int = 0
    _cpu_s: dict[psutil.Process, float] = field(default_factory=dict)

    def look(self) -> None:
        """Note memory and CPU time of the processes that run."""
        held_bytes = 0
        for process in self._members():
            try:
                times, memory = process.cpu_times(), process.memory_info()
            except psutil.Error:
                continue
            self._cpu_s[process] = times.user + times.system
            held_bytes += memory.rss
        self.peak_bytes = max(self.peak_bytes, held_bytes)

    @property
    def cpu_s(self) -> float:
        """Of everyone that was ever seen."""
        return sum(self._cpu_s.values())

    def _members(self) -> list[psutil.Process]:
        return [member for pid in self.pids for member in _with_children(pid)]


def _with_children(pid: int) -> list[psutil.Process]:
    try:
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.Error:
        return []


def command_of(contender: str, workload: Workload, folder: Path, server: Server) -> list[str]:
    """Return the job of a contender, from ``folder/in`` to ``folder/out``."""
    ends, size = [str(folder / "in"), str(folder / "out")], str(workload.batch_size)
    if contender in (OURS, SERVED):
        url = f"http://127.0.0.1:{server.port}" if contender == SERVED else ""
        return [sys.executable, "-m", "bench.whole_job", str(workload.model_base_path), size, *ends, url]
    python = sys.executable if contender == LIMIT else str(environment_python(contender))
    return [python, str(PEERS / f"{contender}_batch.py"), *ends, size]


def run_job(contender: str, workload: Workload, folder: Path, server: Server) -> Job:
    """
    Run one job and look at it until it has ended.

    :raises RuntimeError: it failed, or did not bring a result for every picture.
    """
    target = folder / "out"
    environment = {**os.environ, "BENCH_SAVED_MODEL": str(workload.saved_model_dir), "TF_CPP_MIN_LOG_LEVEL": "2"}
    environment |= {"RAY_USAGE_STATS_ENABLED": "0", "PYTHONWARNINGS": "ignore", "CUDA_VISIBLE_DEVICES": "-1"}
    command = command_of(contender, workload, folder, server)
    log_path = LOGS / f"{contender}_batch.log"
    started_at = time.time()
    with log_path.open("w", encoding="utf-8") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, cwd=CHECKOUT)
    helper = [server.process.pid] if contender == SERVED else []
    family, before = Family([process.pid, *helper]), Family(helper)
    before.look()
    while process.poll() is None and time.time() - started_at < TIMEOUT_S:
        family.look()
        time.sleep(LOOK_EVERY_S)
    ended_at = time.time()
    if process.poll() is None:
        end_family(process.pid)
        raise RuntimeError(f"{TITLES[contender]} did not end within {TIMEOUT_S:g} s; see {log_path}.")
    if process.poll() != 0:
        raise RuntimeError(f"{TITLES[contender]} did not end well; see {log_path}.")
    return _job(target, folder / "in", (started_at, ended_at), family, before.cpu_s)


def _job(target: Path, source: Path, span: tuple[float, float], family: Family, cpu_s_before: float) -> Job:
    times = sorted(path.stat().st_mtime for path in target.glob("[!.]*/*") if path.read_bytes()[:4] == b"\x89PNG")
    count = sum(path.is_file() for path in source.rglob("*"))
    shutil.rmtree(target, ignore_errors=True)  # it may never have begun
    if len(times) != count:
        raise RuntimeError(f"{len(times)} results for {count} pictures; see {LOGS}.")
    return Job({
        "rate": (count - 1) / (times[-1] - times[0]),
        "whole_rate": count / (span[1] - span[0]),
        "cpu_ms": 1e3 * (family.cpu_s - cpu_s_before) / count,
        "memory_mb": family.peak_bytes / 1e6,
        "first_s": times[0] - span[0],
    })  # fmt: skip


def measure(workload: Workload, peers: Sequence[str], plan: Plan, folder: Path) -> list[Row]:
    """Let all of them work in turns; a peer whose job fails is named and left out."""
    (folder / "picture").write_bytes(workload.picture)
    many_names(folder / "picture", folder / "in", plan.pictures)
    contenders = [LIMIT, OURS, SERVED, *peers]
    with ExitStack() as stack:
        [server] = start_contenders(stack, workload, (), lanes=2, limits=())
        assert isinstance(server, Server)
        turns = []
        for number in range(plan.rounds):
            turns.append(run_round(contenders, workload, folder, server))
            print(f"{workload.title}, round {number + 1}: {turns[-1]}", flush=True)
            contenders = list(turns[-1])
    return [
        row_of(workload, name, key, [(turn[name].figures[key], turn[LIMIT].figures[key]) for turn in turns])
        for key in UNITS
        for name in contenders
    ]


def run_round(contenders: Sequence[str], workload: Workload, folder: Path, server: Server) -> dict[str, Job]:
    """
    Run each one's job, one after the other.

    :raises RuntimeError: the limit's or our own failed.
    """
    jobs = {name: _job_of(name, workload, folder, server) for name in contenders}
    return {name: job for name, job in jobs.items() if job}


def _job_of(name: str, workload: Workload, folder: Path, server: Server) -> Job | None:
    try:
        return run_job(name, workload, folder, server)
    except (RuntimeError, subprocess.CalledProcessError) as error:  # it failed, or cannot be installed
        if name not in PEERS_OF_JOBS:
            raise
        print(f"{error} It is left out.", file=sys.stderr, flush=True)
        shutil.rmtree(folder / "out", ignore_errors=True)
        return None


def row_of(workload: Workload, name: str, key: str, pairs: Sequence[tuple[float, float]]) -> Row:
    """One figure of one contender next to the limit's."""
    return Row(
        what=f"{TITLES[name]}, {workload.title}",
        value=round(statistics.median(ours for ours, _ in pairs), 3),
        unit=UNITS[key],
        compared_with=TITLES[LIMIT],
        reference=round(statistics.median(limit for _, limit in pairs), 3),
        ratio=round(statistics.median(ours / limit for ours, limit in pairs), 3),
        more={"workload": workload.name, "contender": name},
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = ["nothing", "style", "cyclegan"]
    parser.add_argument("workloads", nargs="*", default=names, metavar="NAME", help=", ".join(PLANS))
    parser.add_argument("--peers", nargs="*", default=PEERS_OF_JOBS, choices=PEERS_OF_JOBS)
    parser.add_argument("--rounds", type=int, help="instead of what fits the workload")
    parser.add_argument("--pictures", type=int, help="of one job; absent: some seconds of work")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # leave no server behind
    missing = []
    for workload in make_workloads(tuple(arguments.workloads)):
        work = Path(tempfile.mkdtemp(prefix="tendies-jobs-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
        usual = PLANS[workload.name]
        plan = Plan(arguments.pictures or usual.pictures, arguments.rounds or usual.rounds)
        try:
            rows = measure(workload, arguments.peers, plan, work)
        finally:
            shutil.rmtree(work, ignore_errors=True)
        merge_result("batch_peers", rows)
        print(as_table(rows))
        missing += [f"{peer} ({workload.title})" for peer in left_out(arguments.peers, rows, TITLES)]
    if missing:
        sys.exit(f"Left out, see {LOGS}: {', '.join(missing)}.")


if __name__ == "__main__":
    main()
