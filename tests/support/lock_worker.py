"""
A process that takes the lock of a model base path, as if on a host of its own.

    python -m tests.support.lock_worker HOST BASE count ROUNDS    adds one to BASE/count, under the lock, ROUNDS times
    python -m tests.support.lock_worker HOST BASE hold            takes it, says so, and keeps it
"""

from __future__ import annotations

import socket
import sys
import time
from pathlib import Path

from tendies_ops.publish.lock import lock_base_path

STALE_AFTER_S = 3.0


def main(host: str, base: Path, action: str, *arguments: str) -> None:
    if socket.gethostname() != host:
        socket.gethostname = lambda: host
    if action == "count":
        for _ in range(int(arguments[0])):
            count(base, host)
        return
    with lock_base_path(base, purpose=f"holding on {host}", stale_after_s=STALE_AFTER_S):
        print("held", flush=True)
        time.sleep(120)


def count(base: Path, host: str) -> None:
    """Reads, dawdles, writes: two at a time would lose a count."""
    with lock_base_path(base, purpose=f"counting on {host}", stale_after_s=STALE_AFTER_S):
        path = base / "count"
        before = int(path.read_text())
        time.sleep(0.005)
        path.write_text(str(before + 1))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])
