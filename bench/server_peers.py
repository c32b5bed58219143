"""
Images per second through the embedded Model Server and through its peers, as parts of TensorFlow without any server.

All load the same SavedModel and get the same requests from the same client, on the same cores, in turns: in every round
each of them works for some seconds while the others idle. What counts is the median of the rounds' ratios.
"""

from __future__ import annotations

import argparse
import statistics
import time
from contextlib import ExitStack
from dataclasses import dataclass

from bench.contenders import Contender, start_contenders
from bench.results import Row, write_result
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
        return [
            _row(workload, contender, [turn[index] for turn in turns], [turn[0] for turn in turns])
            for index, contender in enumerate(contenders)
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


def _row(workload: Workload, contender: Contender, turns: list[Turn], limits: list[Turn]) -> Row:
    rate = statistics.median(turn.images_per_second for turn in turns)
    cpu_ms = statistics.median(turn.cpu_ms_per_image for turn in turns)
    ratios = [turn.images_per_second / limit.images_per_second for turn, limit in zip(turns, limits, strict=True)]
    promised = PROMISED.get(workload.name) if contender.name == "tendies" else None
    row = Row(
        what=f"{contender.title}, {workload.title}",
        value=round(rate, 2),
        unit="images/s",
        compared_with=LIMIT,
        reference=round(statistics.median(limit.images_per_second for limit in limits), 2),
        ratio=round(statistics.median(ratios), 3),
        promise=f">= {promised}" if promised else "",
        more={
            "images_per_second_by_round": [round(turn.images_per_second, 2) for turn in turns],
            "cpu_ms_per_image": round(cpu_ms, 3),
            "memory_mb": round(contender.memory_mb()),
            "seconds_to_first_picture": round(contender.seconds_to_first_picture, 1),
        },
    )
    print(f"{row.what}: {rate:,.1f} images/s, {row.ratio} of the limit, {row.more}", flush=True)
    return row


def main() -> None:
    """Read the command line, measure, write ``bench/results/server_peers.json``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workloads", nargs="+", choices=sorted(MAKERS), default=["nothing", "style", "cyclegan"])
    parser.add_argument("--peers", nargs="*", default=["fastapi", "kserve", "bentoml", "litserve"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0, help="of one server's turn in a round")
    arguments = parser.parse_args()
    rows: list[Row] = []
    for workload in make_workloads(tuple(arguments.workloads)):
        rows += measure(workload, tuple(arguments.peers), rounds=arguments.rounds, seconds=arguments.seconds)
    path = write_result("server_peers", rows, rounds=arguments.rounds, seconds=arguments.seconds)
    print(f"Wrote {path}")


if __name__ == "__main__":
    main()
