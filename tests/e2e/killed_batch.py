"""
Runs the same batch over and over, each time killed with SIGKILL at a random moment; prints how many kills there were.

A process of its own without threads, so that it may fork: a child is at work within milliseconds.

With no kills at all it is run once.

    python killed_batch.py KILLS SEED LONGEST_S OPTIONS_AS_JSON
"""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import sys
import time
from typing import Any

from tendies_ops.errors import TendiesError
from tendies_ops.inference import BatchOptions, run_batch
from tendies_ops.inference.requests import pacer as pacing


def _work(options: dict[str, Any]) -> None:
    largest_file_bytes = options.pop("largest_file_bytes", None)
    if largest_file_bytes is not None:  # the kernel then refuses writes as it does on a full disk
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file_bytes, largest_file_bytes))
    pacing._FIRST_PAUSE_S, pacing._LONGEST_PAUSE_S = 0.01, 0.1
    run_batch(BatchOptions(**{**options, "servers": tuple(options["servers"])}))


def _run_and_kill(options: dict[str, Any], kill_after_s: float) -> int:
    """The child's wait status."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            _work(dict(options))
            status = 0
        except TendiesError as error:
            sys.stderr.write(f"{type(error).__name__}: {error}\n")
        finally:
            os._exit(status)
    until_s = time.monotonic() + kill_after_s
    while time.monotonic() < until_s:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1]


def main() -> None:
    kills, seed, longest_s = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    options = json.loads(sys.argv[4])
    dice = random.Random(seed)
    counts = {"killed": 0, "finished": 0, "failed": 0}
    while (counts["killed"] < kills and counts["finished"] == 0) or sum(counts.values()) == 0:
        status = _run_and_kill(options, dice.uniform(0.02, longest_s))
        outcome = "killed" if os.WIFSIGNALED(status) else "finished" if status == 0 else "failed"
        counts[outcome] += 1
    sys.stdout.write(json.dumps(counts) + "\n")


if __name__ == "__main__":
    main()
