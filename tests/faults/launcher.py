"""
Runs command lines and servers in forked children, so that one is at work within milliseconds and a fault can be put
into it before its first line.

A process of its own without threads, so that it may fork. It reads one JSON object a line from standard input and
answers on standard output; when its input ends it kills what it has started.

    {"start": 1, "program": "tendies", "argv": [...], "faults": [...], "output": "/tmp/x"}    (see ``inside.py``)
    {"started": 1, "pid": 123}
    {"ended": 123, "status": 0}                                                  negative: the signal that ended it
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import sys
from typing import Any

from tendies_ops.cli.main import main as tendies
from tendies_ops.server.run_server import run as serve
from tests.faults import inside
from tests.support.shift_servable import ShiftLoader

_SET_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of prctl(2)
_TICK_S = 0.005


def main() -> int:
    """Serve until the input ends; a child comes back from here with its own status."""
    children: set[int] = set()
    rest = b""
    while True:
        readable, _, _ = select.select([0], [], [], _TICK_S if children else None)
        _tell_the_ended(children)
        if not readable:
            continue
        data = os.read(0, 1 << 16)
        if not data:
            break
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            job = json.loads(line)
            child = os.fork()
            if child == 0:
                return _run(job)
            children.add(child)
            _say({"started": job["start"], "pid": child})
    for child in children:
        os.kill(child, signal.SIGKILL)
    return 0


def _tell_the_ended(children: set[int]) -> None:
    while children:
        child, status = os.waitpid(-1, os.WNOHANG)
        if child == 0:
            return
        children.discard(child)
        _say({"ended": child, "status": os.waitstatus_to_exitcode(status)})


def _say(message: dict[str, Any]) -> None:
    os.write(1, json.dumps(message).encode() + b"\n")


def _run(job: dict[str, Any]) -> int:
    ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    os.setsid()
    for descriptor, name in ((0, os.devnull), (1, job["output"] + ".out"), (2, job["output"] + ".err")):
        opened = os.open(name, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(opened, descriptor)
        os.close(opened)
    sys.argv = [job["program"], *job["argv"]]
    inside.install(job["faults"])
    if job["program"] == "server":
        return serve(job["argv"], make_loader=ShiftLoader)
    tendies()
    return 0


if __name__ == "__main__":
    sys.exit(main())
