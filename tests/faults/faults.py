"""The named faults, and how each is brought about."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import random
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.faults import checker, wire
from tests.faults.launching import Fault, Program
from tests.faults.operations import Operation
from tests.faults.world import World

DAY_S = 86400.0


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


def _folders(world: World, operation: Operation) -> list[str]:
    return [str(folder) for folder in operation.changes(world)]


def _on_disk(then: str) -> Make:
    def make(world: World, operation: Operation, point: int) -> Injection:
        words = {"number": point, "then": then, "under": _folders(world, operation)}
        return Injection(({"kind": "at_file_operation", **words},))

    return make


def _count_changes(world: World, operation: Operation, into: Path) -> Fault:
    words = {"number": 0, "then": "count", "under": _folders(world, operation)}
    return {"kind": "at_file_operation", "count_into": str(into), **words}


def _count_creations(world: World, operation: Operation, into: Path) -> Fault:
    return {**_count_changes(world, operation, into), "then": "count_new"}


def _killed_at_a_line(_: World, operation: Operation, point: int) -> Injection:
    return Injection(({"kind": "at_line", "number": point, "parts": operation.parts},))


def _count_lines(_: World, operation: Operation, into: Path) -> Fault:
    return {"kind": "at_line", "number": 0, "parts": operation.parts, "count_into": str(into)}


def _killed_at_random(_: World, operation: Operation, point: int) -> Injection:
    longest_s = 8.0 if operation.slow else 0.5

    def kill(program: Program) -> None:
        time.sleep(random.Random(point).uniform(0.01, longest_s))
        with contextlib.suppress(psutil.NoSuchProcess):  # with what it has started, as when a container is killed
            for child in psutil.Process(program.pid).children(recursive=True):
                child.kill()
        program.kill()

    return Injection(during=kill)


def _failing_sync(_world: World, _operation: Operation, point: int) -> Injection:
    return Injection(({"kind": "failing_sync", "number": point},))


def _count_syncs(_world: World, _operation: Operation, into: Path) -> Fault:
    return {"kind": "failing_sync", "number": 0, "count_into": str(into)}


def _no_inodes(world: World, operation: Operation, point: int) -> Injection:
    """The place where the operation writes becomes a small file system; ``mend`` gives it more room."""
    place = world.results if operation.changes(world) == [world.results] else world.base
    free = [3, 9, 14, 24, 40][point % 5]

    def mount(options: str) -> None:
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], capture_output=True, check=False)
        if done.returncode != 0:
            pytest.skip(f"no file system can be mounted here: {done.stderr.decode().strip()}")

    def before() -> None:
        aside = shutil.copytree(place, world.folder / "aside") if place.exists() else None
        place.mkdir(exist_ok=True)
        world.server.stop()
        mount("size=64m,nr_inodes=100000")
        world.mounted.append(place)
        if aside is not None:
            shutil.copytree(aside, place, dirs_exist_ok=True)
        world.server.start()
        used = os.statvfs(place).f_files - os.statvfs(place).f_ffree
        mount(f"remount,nr_inodes={used + free}")

    return Injection(before=before, mend=lambda: mount("remount,nr_inodes=100000"))


def _file_may_not_grow(_world: World, operation: Operation, _point: int) -> Injection:
    return Injection(({"kind": "largest_file", "size_bytes": 3000 if operation.parts[0] == "inference/" else 900},))


def _unreadable(world: World, operation: Operation, _point: int) -> Injection:
    if operation.parts[0] == "inference/":
        return Injection(({"kind": "unreadable", "name": "/in/007.png"},))
    folder = "/base/1/" if operation.versions == 2 and "rollback" in operation.command(world) else "/candidate-30/"
    return Injection(({"kind": "unreadable", "name": f"{folder}variables/variables.data-00000-of-00001"},))


def _no_right(world: World, operation: Operation, _point: int) -> Injection:
    """Modes count, also for root."""
    place = _place_without_right(world, operation)

    def before() -> None:
        place.mkdir(exist_ok=True)
        place.chmod(0o555)

    def mend() -> None:
        for folder in (world.folder, *world.folder.rglob("*")):  # it may have been moved meanwhile
            if folder.is_dir() and folder.stat().st_mode & 0o777 == 0o555:
                folder.chmod(0o755)

    return Injection(({"kind": "no_capabilities"},), before=before, mend=mend)


def _place_without_right(world: World, operation: Operation) -> Path:
    if operation.slow:
        return world.folder
    if operation.versions == 4:
        return world.base / "1" / "variables"  # retention cannot empty it
    first = operation.changes(world)[0]
    return Path(first)


def _clock(jump_s: float) -> Make:
    def make(_world: World, _operation: Operation, point: int) -> Injection:
        return Injection(({"kind": "clock", "jump_s": jump_s, "after_calls": point},))

    return make


def _answers(change: wire.Change, *, batch_every: int = 3, only: str = ":predict") -> Make:
    """Every answer of a proof, every third one of a batch: a server that never answers is not the question here."""

    def make(_world: World, operation: Operation, point: int) -> Injection:
        number = batch_every if operation.parts[0].startswith("inference") else 1
        return Injection(wire=wire.every(number, change, only=only))

    return make


def _reset(world: World, operation: Operation, point: int) -> Injection:
    return _answers(wire.reset_after([0, 1, 40, 120, 400, 900][point % 6]))(world, operation, point)


def _slow_loris(world: World, operation: Operation, point: int) -> Injection:
    trickle = _answers(wire.slow_loris(2.0))(world, operation, point)
    return dataclasses.replace(trickle, inside=({"kind": "predict_timeout", "after_s": 2.0},))


def _in_tiles(world: World, operation: Operation, point: int) -> Injection:
    wrong = _answers(wire.changed_rows(wire.cropped), batch_every=20)(world, operation, point)
    return dataclasses.replace(wrong, options=("--size", "8x8", "--size-policy", "tile", "--overlap", 2))


def _status_answers_503(world: World, operation: Operation, _point: int) -> Injection:
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


def _server_restarts(world: World, operation: Operation, point: int) -> Injection:
    def restart(_: Program) -> None:
        if operation.parts[0] == "inference/":  # a batch must find somebody to begin with
            _wait_for(lambda: world.wire.answered.total() > 0)
        time.sleep(random.Random(point).uniform(0.0, 0.4))
        world.server.stop()
        time.sleep(0.3)
        world.server.start()

    slowly = wire.every(1, lambda _, answer: wire.late(answer, 0.1))
    return Injection(wire=slowly, during=restart)


def _version_vanishes(world: World, operation: Operation, _point: int) -> Injection:
    if operation.parts[0].startswith("inference"):  # the server lets go of it in the middle of the run

        def move(_: Program) -> None:
            _wait_for(lambda: len(checker.ledger(world.results)) >= 5)
            (world.base / "2").rename(world.base / "2.gone")

        slowly = wire.every(1, lambda _, answer: wire.late(answer, 0.15))
        return Injection(wire=slowly, during=move)
    aside = world.base / "away-1"
    return Injection(before=lambda: _rename(world.base / "1", aside), mend=lambda: _rename(aside, world.base / "1"))


def _wait_for(condition: Callable[[], bool], *, timeout_s: float = 20.0) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s, "what was waited for did not happen"
        time.sleep(0.005)


def _rename(source: Path, target: Path) -> None:
    source.rename(target)


def _dead_process(world: World, operation: Operation, _point: int) -> Injection:
    """A process that held every lock there is, and is gone."""

    def before() -> None:
        held = {"publish/": "publish/history.py", "inference/": "inference/planning.py"}
        kill = {"kind": "at_line", "number": 1, "parts": [held[operation.parts[0]]]}
        assert world.tendies(*operation.command(world), faults=(kill,)).killed

    return Injection(before=before)


def _dead_host(world: World, _operation: Operation, _point: int) -> Injection:
    """The newest lock is another host's, which nobody touches any more."""
    state = world.base / ".tendies"

    def before() -> None:
        state.mkdir(exist_ok=True)
        numbers = [int(path.name.split(".")[1]) for path in state.glob("lock.*")]
        content = {"owner": _owner("other-host", 4711), "purpose": "release of stripes"}
        (state / f"lock.{max(numbers, default=0) + 1}").write_text(json.dumps(content), encoding="utf-8")

    return Injection(({"kind": "stale_locks", "after_s": 1.0},), before=before)


def _dead_lease(world: World, _operation: Operation, _point: int) -> Injection:
    def before() -> None:
        leases = world.base / ".tendies" / "leases"
        leases.mkdir(parents=True, exist_ok=True)
        lease = leases / "2-0123456789abcdef.json"
        lease.write_text(json.dumps({"holder": "batch run x", "owner": _owner("other-host", 4711)}), encoding="utf-8")
        long_ago_s = time.time() - 125
        os.utime(lease, (long_ago_s, long_ago_s))

    return Injection(before=before)


def _owner(host: str, pid: int) -> dict[str, Any]:
    words = {"user": "somebody", "boot_id": "0", "pid_namespace": "pid:[1]", "process_started_s": 1.0}
    return {**words, "host": host, "pid": pid}


def _live_process(world: World, operation: Operation, _point: int) -> Injection:
    """Another command holds the lock all along: one whose server answers slowly."""
    held: list[Program] = []

    def before() -> None:
        world.wire.fault = wire.every(1, lambda _, answer: wire.late(answer, 30.0), only="")
        held.append(world.launcher.start("tendies", [str(word) for word in operation.command(world)]))
        _wait_for(lambda: world.wire.seen > 0)

    def mend() -> None:
        held[0].kill()
        held[0].wait()
        world.wire.fault = lambda _, answer: answer

    patience = {"kind": "lock_timeout", "after_s": 1.0}
    return Injection((patience,), before=before, mend=mend)


def _out_of_memory(_world: World, operation: Operation, point: int) -> Injection:
    more_mb = 400 if operation.slow else [1, 3, 6, 12, 24][point % 5]
    return Injection(({"kind": "memory", "more_bytes": more_mb << 20},))


FAULTS: dict[str, FaultKind] = {
    "killed at a random moment": FaultKind(_killed_at_random, anywhere=True),
    "killed at a line": FaultKind(_killed_at_a_line, _count_lines),
    "killed at a change on disk": FaultKind(_on_disk("kill"), _count_changes),
    "disk full": FaultKind(_on_disk("ENOSPC"), _count_creations),
    "no inodes left": FaultKind(_no_inodes, anywhere=True),
    "file may not grow": FaultKind(_file_may_not_grow),
    "sync fails (EIO)": FaultKind(_failing_sync, _count_syncs),
    "unreadable file (EIO)": FaultKind(_unreadable),
    "no right to write (EACCES)": FaultKind(_no_right),
    "slow disk": FaultKind(_on_disk("slow")),
    "clock jumps ahead": FaultKind(_clock(DAY_S), anywhere=True),
    "clock jumps back": FaultKind(_clock(-DAY_S), anywhere=True),
    "connection reset": FaultKind(_reset, anywhere=True),
    "slow-loris answers": FaultKind(_slow_loris),
    "answers 500": FaultKind(_answers(wire.status(500, "Internal: the GPU fell off the bus"))),
    "answers 503": FaultKind(_answers(wire.status(503, "The batch scheduling queue is full"))),
    "answers 504": FaultKind(_answers(wire.status(504, "Timed out waiting for notification"))),
    "status answers 503": FaultKind(_status_answers_503),
    "truncated JSON": FaultKind(_answers(wire.cut_json)),
    "garbage JSON": FaultKind(_answers(wire.garbage)),
    "fewer predictions": FaultKind(_answers(wire.changed_rows(lambda rows: rows[:-1]))),
    "swapped predictions": FaultKind(_answers(wire.changed_rows(lambda rows: rows[::-1]))),
    "wrong image size": FaultKind(_answers(wire.changed_rows(wire.cropped))),
    "wrong image size in tiles": FaultKind(_in_tiles),
    "server restarts": FaultKind(_server_restarts, anywhere=True),
    "version vanishes": FaultKind(_version_vanishes),
    "lock of a dead process": FaultKind(_dead_process),
    "lock of a dead host": FaultKind(_dead_host),
    "lease of a dead host": FaultKind(_dead_lease),
    "lock of a live process": FaultKind(_live_process),
    "out of memory": FaultKind(_out_of_memory, anywhere=True),
}
