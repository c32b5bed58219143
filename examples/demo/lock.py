"""One demo at a time in a checkout."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from examples.demo.errors import DemoError
from examples.demo.voice import Voice

#: A demo whose terminal was closed needs a few seconds to stop what it started.
_PATIENCE_S = 30.0
_LOOK_EVERY_S = 0.5


@contextlib.contextmanager
def only_demo(path: Path, voice: Voice) -> Iterator[None]:
    """
    Hold ``path`` for as long as this demo runs. The lock ends with the process, however that ends.

    :raises DemoError: another demo of this checkout is running.
    """
    with path.open("a+", encoding="utf-8") as file:
        if not _take(file.fileno()):
            voice.step(f"Waiting for another demo of this checkout to end (process {_owner(path)}) ...")
            _wait_for(file.fileno(), path)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _wait_for(descriptor: int, path: Path) -> None:
    deadline_s = time.monotonic() + _PATIENCE_S
    while not _take(descriptor):
        if time.monotonic() > deadline_s:
            raise DemoError(f"Another demo is running in this checkout (process {_owner(path)}): stop it with Ctrl-C.")
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
