"""One fault, brought about in one world."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.faults import wire
from tests.faults.launching import Fault, Program
from tests.faults.operations import Operation
from tests.faults.world import World


def _nothing(*_: Any) -> None:
    """A fault that needs nothing there."""


@dataclass(frozen=True)
class Injection:
    """
    One fault for one operation in one world.

    :param inside: for the command's own process.
    :param wire: what becomes of the server's answers.
    :param before: before the command starts.
    :param during: while it runs.
    :param mend: the fault is over.
    :param options: that the command gets besides.
    """

    inside: tuple[Fault, ...] = ()
    wire: wire.Change | None = None
    before: Callable[[], None] = _nothing
    during: Callable[[Program], None] = _nothing
    mend: Callable[[], None] = _nothing
    options: tuple[object, ...] = ()


Make = Callable[[World, Operation, int], Injection]


@dataclass(frozen=True)
class FaultKind:
    """
    :param make: gets the world, the operation and the point at which it strikes (1, 2, ...).
    :param count: the fault that counts at how many points it could strike, given a file to count into.
    :param anywhere: it strikes at a moment or a place that the point's number only seeds.
    """

    make: Make
    count: Callable[[World, Operation, Path], Fault] | None = None
    anywhere: bool = False
