"""
Images per second through the embedded Model Server and through its peers, as parts of TensorFlow without any server.

All load the same SavedModel and get the same requests from the same client, on the same cores, in turns: in every round
each of them works for some seconds while the others idle. What counts is the median of the rounds' ratios. CPU time per
image (the server's alone, without the client's) is the figure that holds on a machine that others use as well.
"""

from __future__ import annotations

import argparse
import signal
import statistics
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from bench.contenders import Contender, start_contenders
from bench.results import Row, as_table, write_result
from bench.workloads import MAKERS, Workload, make_workloads

LIMIT = "TensorFlow in process"
PROMISED = {"nothing": 0.97, "style": 0.98, "cyclegan": 0.98}


def measure(workload: Workload, peers: tuple[str, ...], *, rounds: int, seconds: float) -> list[Row]:
    """
    Start everybody, let them work in turns, compare.

    :param peers: environments below ``bench/peers/`` to measure beside the limit and ourselves.
    :param rounds: how often each gets its turn.
    :param seconds: of one turn.
    """
    with ExitStack() as stack:
        contenders = start_contenders(stack, workload, peers)
        for contender in contenders:
            contender.measure(1.0)  # not counted: the first requests find cold caches
        turns = [[_take_turn(contender, seconds) for contender in contenders] for _ in range(rounds)]
        limits = [turn[0] for turn in turns]
        return [
            row
            for index, contender in enumerate(contenders)
            for row in _rows(workload, contender, [turn[index] for turn in turns], limits)
        ]


@dataclass(frozen=True)
class Turn:
    """What one contender did in one round."""

    images_per_second: float
    cpu_ms_per_image: float


def _take_turn(contender: Contender, seconds: float) -> Turn:
    cpu_before_s, started_s = contender.cpu_s(), time.perf_counter()
    rate = contender.measure(seconds)
    images = rate * (time.perf_counter() - started_s)
    return Turn(rate, (contender.cpu_s() - cpu_before_s) * 1000 / images)


def _rows(workload: Workload, contender: Contender, turns: list[Turn], limits: list[Turn]) -> list[Row]:
    rates = [(turn.images_per_second, limit.images_per_second) for turn, limit in zip(turns, limits, strict=True)]
    costs = [(turn.cpu_ms_per_image, limit.cpu_ms_per_image) for turn, limit in zip(turns, limits, strict=True)]
    promised = PROMISED.get(workload.name) if contender.name == "tendies" else None
    more = {
        "images_per_second_by_round": [round(rate, 2) for rate, _ in rates],
        "memory_mb": round(contender.memory_mb()),
        "seconds_to_first_picture": round(contender.seconds_to_first_picture, 1),
    }
    what = f"{contender.title}, {workload.title}"
    rows = [
        _row(what, rates, "images/s", promise=f">= {promised}" if promised else "", more=more),
        _row(what, costs, "CPU ms/image"),
    ]
    print(f"{what}: {rows[0].ratio} of the limit's images/s for {rows[1].ratio} of its CPU; {more}", flush=True)
    return rows


def _row(what: str, pairs: list[tuple[float, float]], unit: str, *, promise: str = "", more: Any = None) -> Row:
    return Row(
        what=what,
        value=round(statistics.median(own for own, _ in pairs), 3),
        unit=unit,
        compared_with=LIMIT,
        reference=round(statistics.median(limit for _, limit in pairs), 3),
        ratio=round(statistics.median(own / limit for own, limit in pairs), 3),
        promise=promise,
        more=more,
    )


def main() -> None:
    """Read the command line, measure, write ``bench/results/server_peers.json``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workloads", nargs="+", choices=sorted(MAKERS), default=["nothing", "style", "cyclegan"])
    parser.add_argument("--peers", nargs="*", default=["fastapi", "kserve", "bentoml", "litserve"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0, help="of one server's turn in a round")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # leave no server behind
    rows: list[Row] = []
    for workload in make_workloads(tuple(arguments.workloads)):
        rows += measure(workload, tuple(arguments.peers), rounds=arguments.rounds, seconds=arguments.seconds)
        write_result("server_peers", rows, rounds=arguments.rounds, seconds=arguments.seconds)
    print(as_table(rows))


if __name__ == "__main__":
    main()
