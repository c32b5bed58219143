"""Locks and leases whose holders are gone, and one whose holder is not."""

from __future__ import annotations

import json
import os
import time
from typing import Any

from tests.faults import wire
from tests.faults.injection import Injection
from tests.faults.launching import Program
from tests.faults.operations import Operation
from tests.faults.server_faults import wait_for
from tests.faults.world import World


def dead_process(world: World, operation: Operation, _point: int) -> Injection:
    """A process that held every lock there is, and is gone."""

    def before() -> None:
        held = {"publish/": "publish/history.py", "inference/": "inference/plan.py"}
        kill = {"kind": "at_line", "number": 1, "parts": [held[operation.parts[0]]]}
        assert world.tendies(*operation.command(world), faults=(kill,)).killed

    return Injection(before=before)


def dead_host(world: World, _operation: Operation, _point: int) -> Injection:
    """The newest lock is another host's, which no one touches any more."""
    state = world.base / ".tendies"

    def before() -> None:
        state.mkdir(exist_ok=True)
        numbers = [int(path.name.split(".")[1]) for path in state.glob("lock.*")]
        content = {"owner": _owner("other-host", 4711), "purpose": "release of stripes"}
        (state / f"lock.{max(numbers, default=0) + 1}").write_text(json.dumps(content), encoding="utf-8")

    return Injection(({"kind": "stale_locks", "after_s": 1.0},), before=before)


def dead_lease(world: World, _operation: Operation, _point: int) -> Injection:
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


def live_process(world: World, operation: Operation, _point: int) -> Injection:
    """Another command holds the lock all along: one whose server answers slowly."""
    held: list[Program] = []

    def before() -> None:
        world.wire.fault = wire.every(1, lambda _, answer: wire.late(answer, 30.0), only="")
        held.append(world.launcher.start("tendies", [str(word) for word in operation.command(world)]))
        wait_for(lambda: world.wire.seen > 0)

    def mend() -> None:
        held[0].kill()
        held[0].wait()
        world.wire.fault = lambda _, answer: answer

    patience = {"kind": "lock_timeout", "after_s": 1.0}
    return Injection((patience,), before=before, mend=mend)
