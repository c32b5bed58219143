"""One start at a time in a folder."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from tendies_ops.dev.error import DevError
from tendies_ops.dev.voice import Voice

#: A start whose terminal was closed needs a few seconds to stop its programs.
_PATIENCE_S = 30.0
_LOOK_EVERY_S = 0.5


@contextlib.contextmanager
def only_one(path: Path, voice: Voice) -> Iterator[None]:
    """
    Hold the lock at ``path``. It ends with the process, however that ends.

    :raises DevError: another process holds it.
    """
    with path.open("a+", encoding="utf-8") as file:
        if not _take(file.fileno()):
            voice.step(f"Waiting for process {_owner(path)}, which runs this folder, to end ...")
            _wait_for(file.fileno(), path)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _wait_for(descriptor: int, path: Path) -> None:
    deadline_s = time.monotonic() + _PATIENCE_S
    while not _take(descriptor):
        if time.monotonic() > deadline_s:
            raise DevError(f"Process {_owner(path)} runs this folder already: stop it with Ctrl-C.")
        time.sleep(_LOOK_EVERY_S)


def _take(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _owner(path: Path) -> str:
    with contextlib.suppress(OSError):
        return path.read_text(encoding="utf-8").strip() or "unknown"
    return "unknown"
