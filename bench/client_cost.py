"""
What the client costs: pictures a second against a server that answers at once, files read and written.

    python -m bench.client_cost [--rounds 5] [--output result.json]

The server answers every request with the same canned pictures, so what is measured is the client. All clients run in
turn, round by round, and ratios are of medians of the same run: on a machine that does other things too, only ratios
mean something, and on a crowded one those of CPU time (pictures a second of one core) rather than those by the wall
clock. Files are in memory (/dev/shm): on a disk, the disk would be measured.

The clients are told in `bench/clients.py`.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.canned_answers import BATCH, canned_server, make_case
from bench.clients import CLIENTS, TITLES
from bench.results import Row, as_table, write_result

SERVER_PROCESSES = 6  # more than any client has connections open
SLOW = {"y2018": 20, "session": 4, "tendies_run": 1}  # these do this many times fewer pictures a round
PROMISED = {
    ("64x64", "tendies", "best"): ">= 0.8", ("64x64", "tendies", "y2018"): ">= 20",
    ("256x256", "tendies", "best"): ">= 0.8", ("256x256", "tendies", "y2018"): ">= 8",
}  # fmt: skip


def measure(side: int, count: int, rounds: int, work: Path) -> dict[str, object]:
    source = work / f"in{side}"
    names, picture, canned = make_case(side, source, count)
    wall: dict[str, list[float]] = {name: [] for name in CLIENTS}
    cpu: dict[str, list[float]] = {name: [] for name in CLIENTS}
    with canned_server(canned, SERVER_PROCESSES) as url:
        for number in range(rounds + 1):  # the first warms up
            for name, client in CLIENTS.items():
                mine = names[: max(BATCH, len(names) // SLOW.get(name, 1))]
                target = work / f"out-{side}-{number}-{name}"
                target.mkdir()
                started_s, cpu_s = time.perf_counter(), cpu_time_s()
                client(url, str(source), mine, str(target))
                if number:
                    wall[name].append((time.perf_counter() - started_s) / len(mine))
                    cpu[name].append((cpu_time_s() - cpu_s) / len(mine))
                shutil.rmtree(target)
    return {
        "bytes_in": len(picture),
        "bytes_out": len(canned),
        "by_wall_clock": summarised(wall),
        "by_cpu_time": summarised(cpu),
    }


def cpu_time_s() -> float:
    """Of this process, its threads, and its children that have ended: what a client costs, however busy the machine."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + ended.ru_utime + ended.ru_stime


def summarised(seconds: dict[str, list[float]]) -> dict[str, object]:
    rates = {name: round(1 / statistics.median(values), 1) for name, values in seconds.items()}
    pairs = [
        ("tendies", "best"), ("tendies_2", "best_2"), ("tendies_run", "best"),
        ("best", "y2018"), ("tendies", "y2018"), ("tendies_threads", "y2018"), ("tendies_2", "y2018"),
        ("tendies_run", "y2018"),
    ]  # fmt: skip
    return {
        "images_per_second": rates,
        "ratios": {f"{ours} / {theirs}": round(rates[ours] / rates[theirs], 2) for ours, theirs in pairs},
    }


def rows_of(result: dict[str, dict[str, Any]]) -> list[Row]:
    rows = []
    for case, measured in result.items():
        for clock, unit in (("by_wall_clock", "images/s"), ("by_cpu_time", "images/CPU s")):
            rates = measured[clock]["images_per_second"]
            for pair, ratio in measured[clock]["ratios"].items():
                ours, theirs = pair.split(" / ")
                promise = PROMISED.get((case, ours, theirs), "")
                what = f"{TITLES[ours]}, {case}"
                rows.append(Row(what, rates[ours], unit, TITLES[theirs], rates[theirs], ratio, promise))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--count", type=int, default=3200, help="pictures of 64x64 a round; a quarter of it at 256x256")
    parser.add_argument("--output", type=Path, help="write the result here too")
    arguments = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="tendies-bench-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    try:
        result = {
            f"{side}x{side}": measure(side, arguments.count // share, arguments.rounds, work)
            for side, share in ((64, 1), (256, 4))
        }
    finally:
        shutil.rmtree(work, ignore_errors=True)
    write_result("client_cost", rows := rows_of(result), rounds=arguments.rounds)
    if arguments.output:
        arguments.output.write_text(json.dumps(result, indent=1) + "\n")
    print(as_table(rows))


if __name__ == "__main__":
    main()
