"""
Two servers against each other in fine turns, for differences of a per cent that rounds of seconds cannot tell.

A machine that others use changes from second to second, and by more than a rewrite may bring. So a turn is one burst of
some tenths of a second to one server, a request in flight for each CPU, while the other server waits and costs
nothing. Two bursts are a pair, and pairs go A B, B A, A B: what drifts evenly meets both sides alike. The requests are
those of the measured load, cut smaller where a burst would take long; that costs the HTTP of a few more requests on
both sides, and brings many more pairs. The figure is the median of the pairs' ratios, with the interval of that median.

Next to the clock on the wall stands the CPU time of the server's process: it does not see who else computes, only what
they leave in the caches.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.results import Row, median_interval
from tendies_ops.export.optimize.host import Host
from tendies_ops.export.optimize.measuring import Load, Predictor, one_round
from tendies_ops.export.optimize.trial_server import TrialServer, trial_server

LEAST_PAIRS = 6  #: however long they take: of fewer there is no interval
_BURST_S = 0.2


@dataclass(frozen=True)
class Side:
    """
    One of the two.

    :param clock: the id, as :func:`time.clock_gettime` takes it, of the CPU clock of the process that answers.
    """

    predictor: Predictor
    clock: int

    @classmethod
    def of(cls, server: TrialServer) -> Side:
        """Return a server in a process of its own."""
        return cls(server, cpu_clock_of(server.process.pid))


@dataclass(frozen=True)
class Burst:
    """What one picture cost in one burst: seconds on the wall, and seconds of CPU of all threads."""

    wall_s: float
    cpu_s: float


Pair = tuple[Burst, Burst]  #: of the side looked at, then of its reference, whichever came first


@dataclass(frozen=True)
class Pairs:
    """
    What was measured.

    :param starts: how often the servers were started.
    """

    bursts: list[Pair]
    batch_size: int
    starts: int

    def as_row(self, what: str, **words: Any) -> Row:
        """
        Sum up as images per second.

        :param words: ``compared_with``, ``promise``.
        """
        rates = [(1.0 / own.wall_s, 1.0 / reference.wall_s) for own, reference in self.bursts]
        ratios = [own / reference for own, reference in rates]
        by_cpu = [reference.cpu_s / own.cpu_s for own, reference in self.bursts]
        more = {
            "pairs": len(ratios),
            "starts": self.starts,
            "batch_size": self.batch_size,
            "median_between": median_interval(ratios),
            "by_cpu_time": statistics.median(by_cpu),
            "by_cpu_time_between": median_interval(by_cpu),
        }
        return Row.of_rounds(what, "images/s", rates, more=more, **words)


def burst_of(sides: Sequence[Side], load: Load) -> Load:
    """
    Cut the load down to a burst.

    :param load: of which a burst is at most one request for each place in flight.
    """
    once = replace(load, requests_each=1)
    paces_s = [_burst(side, once).wall_s for _ in range(2) for side in sides]  # the first pay for what is done once
    fitting = int(_BURST_S / min(paces_s) / load.in_flight)
    return replace(once, batch_size=max(1, min(load.batch_size, fitting)))


def compare_finely(looked_at: Side, reference: Side, burst: Load, *, budget_s: float) -> list[Pair]:
    """
    Let both answer bursts in turns.

    :param budget_s: no pair begins later; but there are always :data:`LEAST_PAIRS`.
    """
    for side in (looked_at, reference):
        _burst(side, burst)
    pairs: list[Pair] = []
    deadline_s = time.monotonic() + budget_s
    while len(pairs) < LEAST_PAIRS or time.monotonic() < deadline_s:
        if len(pairs) % 2:
            before = _burst(reference, burst)
            pairs.append((_burst(looked_at, burst), before))
        else:
            pairs.append((_burst(looked_at, burst), _burst(reference, burst)))
    return pairs


def compare_in_servers(
    looked_at: Path, reference: Path, host: Host, load: Load, *, budget_s: float, starts: int
) -> Pairs:
    """
    Serve both, each by a process of its own, and compare them; then again by new processes.

    Where a process finds its memory makes it faster or slower by a per cent or two for as long as it lives, so two
    copies of one model differ by that. Of several starts, with the one or the other first, the luck evens out.

    :param looked_at: model base path.
    :param reference: model base path.
    :param budget_s: of all starts together, without the starting.
    """
    pairs: list[Pair] = []
    burst: Load | None = None
    for start in range(starts):
        with contextlib.ExitStack() as stack:
            order = (looked_at, reference) if start % 2 else (reference, looked_at)
            served = {path: Side.of(stack.enter_context(trial_server(path, host))) for path in order}
            burst = burst or burst_of([served[path] for path in order], load)
            pairs += compare_finely(served[looked_at], served[reference], burst, budget_s=budget_s / starts)
    return Pairs(pairs, burst.batch_size if burst else 0, starts)


def _burst(side: Side, load: Load) -> Burst:
    before_s = time.clock_gettime(side.clock)
    rate = one_round(side.predictor, load).images_per_second
    cpu_s = time.clock_gettime(side.clock) - before_s
    return Burst(1.0 / rate, cpu_s / (load.batch_size * load.in_flight))


def cpu_clock_of(pid: int) -> int:
    """
    Find the clock of the CPU time that all threads of a process have spent. It tells nanoseconds, psutil's 10 ms.

    POSIX has it for processes; Python's time module hands on that for threads only.

    :raises OSError: there is no such process.
    """
    clock = ctypes.c_int()
    error: int = ctypes.CDLL(None).clock_getcpuclockid(pid, ctypes.byref(clock))
    if error:
        raise OSError(error, os.strerror(error))
    return clock.value
