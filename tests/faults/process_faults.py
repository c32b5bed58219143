"""What happens to the process itself: it is killed, its clock jumps, its memory runs out."""

from __future__ import annotations

import contextlib
import random
import time
from pathlib import Path

import psutil

from tests.faults.injection import Injection, Make
from tests.faults.launching import Fault, Program
from tests.faults.operations import Operation
from tests.faults.world import World


def killed_at_a_line(_: World, operation: Operation, point: int) -> Injection:
    return Injection(({"kind": "at_line", "number": point, "parts": operation.parts},))


def count_lines(_: World, operation: Operation, into: Path) -> Fault:
    return {"kind": "at_line", "number": 0, "parts": operation.parts, "count_into": str(into)}


def killed_at_random(_: World, operation: Operation, point: int) -> Injection:
    longest_s = 8.0 if operation.slow else 0.5

    def kill(program: Program) -> None:
        time.sleep(random.Random(point).uniform(0.01, longest_s))
        with contextlib.suppress(psutil.NoSuchProcess):  # with what it has started, as when a container is killed
            for child in psutil.Process(program.pid).children(recursive=True):
                child.kill()
        program.kill()

    return Injection(during=kill)


def clock(jump_s: float) -> Make:
    def make(_world: World, _operation: Operation, point: int) -> Injection:
        return Injection(({"kind": "clock", "jump_s": jump_s, "after_calls": point},))

    return make


def out_of_memory(_world: World, operation: Operation, point: int) -> Injection:
    more_mb = 400 if operation.slow else [1, 3, 6, 12, 24][point % 5]
    return Injection(({"kind": "memory", "more_bytes": more_mb << 20},))
