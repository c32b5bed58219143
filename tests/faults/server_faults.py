"""What a server, or the wire to it, does."""

from __future__ import annotations

import dataclasses
import random
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.faults import checker, wire
from tests.faults.injection import Injection, Make
from tests.faults.launching import Program
from tests.faults.operations import Operation
from tests.faults.world import World


def answers(change: wire.Change, *, batch_every: int = 3, only: str = ":predict") -> Make:
    """Every answer of a proof, every third one of a batch: a server that never answers is not the question here."""

    def make(_world: World, operation: Operation, point: int) -> Injection:
        number = batch_every if operation.parts[0].startswith("inference") else 1
        return Injection(wire=wire.every(number, change, only=only))

    return make


def reset(world: World, operation: Operation, point: int) -> Injection:
    return answers(wire.reset_after([0, 1, 40, 120, 400, 900][point % 6]))(world, operation, point)


def slow_loris(world: World, operation: Operation, point: int) -> Injection:
    trickle = answers(wire.slow_loris(2.0))(world, operation, point)
    return dataclasses.replace(trickle, inside=({"kind": "predict_timeout", "after_s": 2.0},))


def in_tiles(world: World, operation: Operation, point: int) -> Injection:
    wrong = answers(wire.changed_rows(wire.cropped), batch_every=20)(world, operation, point)
    return dataclasses.replace(
        wrong, options=("--size", "8x8", "--size-policy", "tile", "--overlap", 2, "--max-failed", 12)
    )


def status_answers_503(world: World, operation: Operation, _point: int) -> Injection:
    """For a release every second question; for retention every question after the proof."""
    refuse = wire.status(503, "Service is overloaded")
    if operation.versions != 4:
        return Injection(wire=wire.every(2, refuse, only="/stripes"))
    proved = threading.Event()

    def after_the_proof(request: Any, answer: Any) -> Any:
        if request.path.endswith("/versions/5:predict"):
            proved.set()
        return refuse(request, answer) if proved.is_set() and request.method == "GET" else answer

    return Injection(wire=after_the_proof)


def server_restarts(world: World, operation: Operation, point: int) -> Injection:
    answered_before = world.wire.answered.total()  # for a resumed batch, which is not the first

    def restart(_: Program) -> None:
        if operation.parts[0] == "inference/":  # a batch must find someone to begin with
            wait_for(lambda: world.wire.answered.total() > answered_before)
        time.sleep(random.Random(point).uniform(0.0, 0.4))
        world.server.stop()
        time.sleep(0.3)
        world.server.start()

    slowly = wire.every(1, lambda _, answer: wire.late(answer, 0.1))
    return Injection(wire=slowly, during=restart)


def version_vanishes(world: World, operation: Operation, _point: int) -> Injection:
    if operation.parts[0].startswith("inference"):  # the server lets go of it in the middle of the run

        def move(_: Program) -> None:
            wait_for(lambda: len(checker.ledger(world.results)) >= 5)
            (world.base / "2").rename(world.base / "2.gone")

        slowly = wire.every(1, lambda _, answer: wire.late(answer, 0.4))  # or it is over before
        return Injection(wire=slowly, during=move)
    aside = world.base / "away-1"
    return Injection(before=lambda: _rename(world.base / "1", aside), mend=lambda: _rename(aside, world.base / "1"))


def _rename(source: Path, target: Path) -> None:
    source.rename(target)


def wait_for(condition: Callable[[], bool], *, timeout_s: float = 20.0) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s, "what was waited for did not happen"
        time.sleep(0.005)
