"""
Starts the same work over and over in a child, and kills it with SIGKILL at a random moment.

Run as a process of its own without threads, so that it may fork: a child is at work within a millisecond instead of
importing for half a second, and the kills fall into the work.
"""

from __future__ import annotations

import json
import os
import random
import select
import signal
import statistics
import subprocess
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tendies_ops.publish.layout import STATE_DIRECTORY
from tendies_ops.release.record.journal import read_journal

_SPARED_EVERY = 8  #: one round in this many is left alone, to see how long the work takes by now


@dataclass(frozen=True)
class KillCount:
    rounds: int
    killed: int  #: the others were spared, or faster than the signal
    failed: int  #: ended by themselves with an error
    words: str  #: what was written on stderr, its end


def kill_at_random(
    script: Path, *arguments: str, rounds: int, seed: int, timeout_s: float = 280.0, share: float = 1.0
) -> KillCount:
    """
    Run ``script`` (which calls :func:`main`) in a process of its own.

    :param arguments: for its ``work``.
    :param share: how many of the rounds are to be killed; the others run to their end.
    """
    done = subprocess.run(
        [sys.executable, str(script), str(rounds), str(seed), str(share), *arguments],
        check=True,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        cwd=Path(__file__).parents[2],
    )
    return KillCount(**json.loads(done.stdout.splitlines()[-1]), words=done.stderr[-4000:])


def main(work: Callable[[int, list[str]], None]) -> None:
    """
    The script's side.

    :param work: gets the number of the round and the arguments; runs in the child.
    """
    rounds, seed, share, arguments = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), sys.argv[4:]
    random.seed(seed)
    whole_s = deque((_run(partial(work, warm_up, arguments), None)[1] for warm_up in (-1, -2, -3)), maxlen=5)
    counts = {"rounds": rounds, "killed": 0, "failed": 0}
    for number in range(rounds):
        spared = (number + 1) % _SPARED_EVERY == 0 or random.random() >= share
        kill_after_s = None if spared else random.uniform(0, 1.1 * statistics.median(whole_s))
        status, took_s = _run(partial(work, number, arguments), kill_after_s)
        killed = os.WIFSIGNALED(status)
        counts["killed"] += killed
        counts["failed"] += not killed and status != 0
        if not killed:
            whole_s.append(took_s)  # the machine is busy now and idle then
    print(json.dumps(counts))


def _run(work: Callable[[], None], kill_after_s: float | None) -> tuple[int, float]:
    """The status of a child that did the work, and how long it lived."""
    started_s = time.monotonic()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        except Exception:
            traceback.print_exc()
        finally:
            os._exit(status)
    if not _ends_within(child, kill_after_s):
        os.kill(child, signal.SIGKILL)
    lived_s = time.monotonic() - started_s
    return os.waitpid(child, 0)[1], lived_s


def _ends_within(child: int, timeout_s: float | None) -> bool:
    descriptor = os.pidfd_open(child)
    try:
        return bool(select.select([descriptor], [], [], timeout_s)[0])
    finally:
        os.close(descriptor)


def leftovers(base: Path) -> list[str]:
    """What killed publishes and releases have left in a base path: staging, tickets of locks, an open journal."""
    state = base / STATE_DIRECTORY
    halves = [path.name for path in base.iterdir() if path.name.startswith(".tendies-")]
    parts = [path.name for path in state.iterdir() if path.suffix == ".part"]
    return [*halves, *parts, *(["an open journal"] if read_journal(base) else [])]
