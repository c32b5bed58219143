"""
Images per second through the embedded Model Server and through its peers, as parts of TensorFlow without any server.

All load the same SavedModel and get the same requests from the same client, on the same cores, in turns: in every round
each of them answers as many requests as the others, while those idle. What counts is the median of the rounds' ratios,
of the half of the rounds in which other processes of the machine took the least of the cores. The CPU time per image
(with the client's, as both share the cores) says the same in another way.
"""

from __future__ import annotations

import argparse
import signal
import statistics
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import psutil

from bench.closed_loop import SHARED_EVENLY, requests_in
from bench.contenders import LIMITS, LOGS, TITLES, Contender, Server, left_out, start_contenders
from bench.results import Row, as_table, median_interval, merge_result
from bench.wire import ceiling_row, cpu_ms_per_image, start_wire
from bench.workloads import Workload, make_workloads

PROMISED = {"nothing": 0.97, "tf_png": 0.97, "style": 0.98, "cyclegan": 0.98}


@dataclass(frozen=True)
class Plan:
    """
    How long a workload is measured.

    :param seconds: of one turn, about; a turn holds :data:`~bench.closed_loop.SHARED_EVENLY` requests at least.
    :param budget_s: no round begins later than this after the start of the first.
    """

    seconds: float
    budget_s: float


#: A machine that others use changes from second to second: short turns, and many of them, meet all contenders alike.
PLANS = {
    "nothing": Plan(0.5, 180.0),
    "tf_png": Plan(0.5, 180.0),
    "stripes": Plan(0.5, 120.0),
    "style": Plan(1.0, 240.0),
    "cyclegan": Plan(3.5, 450.0),
}
MIN_ROUNDS = 6  # of fewer there is no interval


@dataclass(frozen=True)
class Turn:
    """
    What one contender did in one round.

    :param cpu_ms_per_image: the contender's and its client's.
    :param client_ms_per_image: the client's part of it.
    :param foreign_share: the part of the machine that other processes used in the meantime, 0..1.
    """

    images_per_second: float
    cpu_ms_per_image: float
    client_ms_per_image: float
    foreign_share: float


Round = list[Turn]  # a turn of each contender, in their order


def measure(workload: Workload, peers: tuple[str, ...], plan: Plan, *, lanes: int) -> list[Row]:
    """
    Start everybody, let them work in turns, compare.

    :param peers: environments below ``bench/peers/`` to measure next to the limits and ourselves.
    :param lanes: requests under way at a time.
    """
    with ExitStack() as stack:
        contenders = start_contenders(stack, workload, peers, lanes=lanes)
        wire = start_wire(stack, _ours(contenders))
        warm_s = [contender.work(SHARED_EVENLY) for contender in contenders]  # the first requests find cold caches
        requests = requests_in(plan.seconds, SHARED_EVENLY * workload.batch_size / min(warm_s), workload.batch_size)
        started_s = time.monotonic()
        done: list[Round] = []
        while len(done) < MIN_ROUNDS or time.monotonic() - started_s < plan.budget_s:
            done.append(_one_round(contenders, requests, first=len(done)))
        counted = quiet_rounds(done)
        limit = best_limit(contenders, counted)
        print(f"{workload.title}: {len(counted)} of {len(done)} rounds count; the limit: {contenders[limit].title}")
        pairs = [[(turns[index], turns[limit]) for turns in counted] for index in range(len(contenders))]
        rows = [
            _rows(workload, contender, pairs[index], contenders[limit]) for index, contender in enumerate(contenders)
        ]
        rate, cost = rows[limit]
        return [*chain(*rows), ceiling_row(workload, rate, cost.value, cpu_ms_per_image(wire))]


def _ours(contenders: list[Contender]) -> Server:
    return next(each for each in contenders if isinstance(each, Server) and each.name == "tendies")


def _one_round(contenders: list[Contender], requests: int, *, first: int) -> Round:
    """Give each its turn; another one begins each time."""
    turns: dict[int, Turn] = {}
    for index in range(first, first + len(contenders)):
        turns[index % len(contenders)] = _take_turn(contenders[index % len(contenders)], requests)
    return [turns[index] for index in range(len(contenders))]


def quiet_rounds(rounds: list[Round]) -> list[Round]:
    """Return the less disturbed half of the rounds."""
    return sorted(rounds, key=_noise)[: max(MIN_ROUNDS, len(rounds) // 2)]


def _noise(turns: Round) -> float:
    return max(turn.foreign_share for turn in turns)


def best_limit(contenders: list[Contender], rounds: list[Round]) -> int:
    """Which of the ways to run TensorFlow in process is the fastest here."""
    limits = [index for index, contender in enumerate(contenders) if contender.name in LIMITS]
    return max(limits, key=lambda index: statistics.median(turns[index].images_per_second for turns in rounds))


def _take_turn(contender: Contender, requests: int) -> Turn:
    own_s, client_s, machine_s = contender.cpu_s(), contender.client_cpu_s(), _machine_cpu_s()
    took_s, images = contender.work(requests), requests * contender.workload.batch_size
    own_s, client_s = contender.cpu_s() - own_s, contender.client_cpu_s() - client_s
    foreign_s = _machine_cpu_s() - machine_s - own_s - client_s
    return Turn(
        images_per_second=images / took_s,
        cpu_ms_per_image=(own_s + client_s) * 1000 / images,
        client_ms_per_image=client_s * 1000 / images,
        foreign_share=max(0.0, foreign_s / (took_s * (psutil.cpu_count() or 1))),
    )


def _machine_cpu_s() -> float:
    times = psutil.cpu_times()
    return sum(times) - times.idle - getattr(times, "iowait", 0.0) - getattr(times, "guest", 0.0)


def _rows(
    workload: Workload, contender: Contender, pairs: list[tuple[Turn, Turn]], limit: Contender
) -> tuple[Row, Row]:
    what = f"{contender.title}, {workload.title}"
    rates = [(own.images_per_second, reference.images_per_second) for own, reference in pairs]
    costs = [(own.cpu_ms_per_image, reference.cpu_ms_per_image) for own, reference in pairs]
    promised = PROMISED.get(workload.name) if contender.name == "tendies" else None
    more = {
        "workload": workload.name,
        "contender": contender.name,
        "rounds": len(rates),
        "ratio_between": [round(end, 3) for end in median_interval([own / reference for own, reference in rates])],
        "client_cpu_ms_per_image": round(statistics.median(own.client_ms_per_image for own, _ in pairs), 4),
        "foreign_share": round(statistics.median(own.foreign_share for own, _ in pairs), 3),
        "memory_mb": round(contender.memory_mb()),
        "seconds_to_first_picture": round(contender.seconds_to_first_picture, 1),
    }
    rows = (
        _row(what, rates, "images/s", limit, promise=f">= {promised}" if promised else "", more=more),
        _row(what, costs, "CPU ms/image", limit, more={"workload": workload.name, "contender": contender.name}),
    )
    print(f"{what}: {rows[0].ratio} of the limit's images/s for {rows[1].ratio} of its CPU; {more}", flush=True)
    return rows


def _row(
    what: str, pairs: list[tuple[float, float]], unit: str, limit: Contender, *, promise: str = "", more: Any = None
) -> Row:
    return Row(
        what=what,
        value=round(statistics.median(own for own, _ in pairs), 3),
        unit=unit,
        compared_with=limit.title,
        reference=round(statistics.median(reference for _, reference in pairs), 3),
        ratio=round(statistics.median(own / reference for own, reference in pairs), 3),
        promise=promise,
        more=more,
    )


def main() -> None:
    """Read the command line, measure, put the rows into ``bench/results/server_peers.json``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workloads", nargs="+", choices=sorted(PLANS), default=list(PLANS))
    parser.add_argument("--peers", nargs="*", choices=TITLES, default=list(TITLES))
    parser.add_argument("--seconds", type=float, help="of a turn, about, instead of what fits the workload")
    parser.add_argument("--lanes", type=int, default=3, help="requests under way at a time")
    parser.add_argument("--budget", type=float, help="seconds after which no round of a workload begins")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # leave no server behind
    given = {"seconds": arguments.seconds, "budget_s": arguments.budget}
    missing = []
    for workload in make_workloads(tuple(arguments.workloads)):
        plan = replace(PLANS[workload.name], **{name: value for name, value in given.items() if value is not None})
        rows = measure(workload, tuple(arguments.peers), plan, lanes=arguments.lanes)
        merge_result("server_peers", rows, lanes=arguments.lanes)
        print(as_table(rows))
        missing += [f"{peer} ({workload.title})" for peer in left_out(arguments.peers, rows, TITLES)]
    if missing:
        sys.exit(f"Left out, see {LOGS}: {', '.join(missing)}.")


if __name__ == "__main__":
    main()
