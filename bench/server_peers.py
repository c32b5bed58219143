"""
Images per second through the embedded Model Server and through its peers, as parts of TensorFlow without any server.

All load the same SavedModel and get the same requests from the same client, on the same cores, in turns: in every round
each of them works for some seconds while the others idle. What counts is the median of the rounds' ratios.
"""

from __future__ import annotations

import argparse
import statistics
from contextlib import ExitStack

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
        turns = [[contender.measure(seconds) for contender in contenders] for _ in range(rounds)]
        return [
            _row(workload, contender, [turn[index] for turn in turns], [turn[0] for turn in turns])
            for index, contender in enumerate(contenders)
        ]


def _row(workload: Workload, contender: Contender, rates: list[float], limits: list[float]) -> Row:
    median = statistics.median(rates)
    memory_mb = contender.memory_mb()
    print(f"{workload.title}: {contender.title}: {median:,.1f} images/s, {memory_mb:.0f} MB", flush=True)
    promised = PROMISED.get(workload.name) if contender.name == "tendies" else None
    return Row(
        what=f"{contender.title}, {workload.title}",
        value=round(median, 2),
        unit="images/s",
        compared_with=LIMIT,
        reference=round(statistics.median(limits), 2),
        ratio=round(statistics.median(rate / limit for rate, limit in zip(rates, limits, strict=True)), 3),
        promise=f">= {promised}" if promised else "",
        more={"rounds": [round(rate, 2) for rate in rates], "memory_mb": round(memory_mb)},
    )


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
