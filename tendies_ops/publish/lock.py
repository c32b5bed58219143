"""
The lock of a model base path: one publisher or release at a time, also from two hosts that share the directory.

A lock is a file ``.tendies/lock.<generation>`` that names its owner. The owner of the highest generation has the lock.
It is taken by making the next generation with ``link``, of which exactly one can succeed, on NFS too, where POSIX locks
may be local to a host or survive it. An owner touches the file while it is alive; one that is known to be dead, or that
has not touched it for a minute *of the waiter's own clock* (hosts disagree about the time), is passed over by making
the next generation. So a lock is never broken by removing it, and two hosts cannot both break it.
"""

from __future__ import annotations

import errno
import json
import os
import re
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tendies_ops.errors import BasePathError, LockHeldError, StoppedError
from tendies_ops.publish.layout import STATE_DIRECTORY, state_directory
from tendies_ops.publish.owner import Heartbeat, Owner

STALE_AFTER_S = 60.0
_HEARTBEAT_S = 10.0
_POLL_S = 0.2
_LOCK = re.compile(r"lock\.([0-9]+)")
_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.ENOSYS})
_RELEASED = b"released"
# Old generations are kept: a listing during a take-over must not miss both the old and the new one.
_KEPT_GENERATIONS = 8


@dataclass(frozen=True)
class LockSeen:
    """The newest lock file, as a waiter sees it."""

    generation: int
    released: bool = True
    owner: Owner | None = None
    purpose: str = ""
    touched_ns: int = 0


class StaleWatch:
    """Decide when a lock's owner counts as dead. The waiter's clock is an argument."""

    def __init__(self, stale_after_s: float) -> None:
        self._stale_after_s = stale_after_s
        self._last: tuple[int, int] | None = None
        self._since_s = 0.0

    def is_stale(self, seen: LockSeen, *, now_s: float, known_dead: bool) -> bool:
        """
        Return True if the lock may be taken over.

        :param known_dead: the owner ran on this machine and has ended.
        :param now_s: of any steady clock.
        """
        beat = (seen.generation, seen.touched_ns)
        if beat != self._last:
            self._last, self._since_s = beat, now_s
        return known_dead or now_s - self._since_s >= self._stale_after_s


class BasePathLock:
    """A lock that is held. Call :meth:`check` before every step that others must not see twice."""

    def __init__(self, path: Path, generation: int) -> None:
        self.path = path
        self.generation = generation

    def check(self) -> None:
        """
        Check that no other process took over while this one was paused.

        :raises LockHeldError: another process did.
        """
        newest = _newest(self.path.parent)
        if newest.generation != self.generation:
            raise LockHeldError(
                f"This process was unresponsive and {newest.owner or 'another process'} took over the lock of "
                f"{self.path.parent.parent}. Nothing more was changed. Rerun."
            )


@contextmanager
def lock_base_path(
    model_base_path: Path,
    *,
    purpose: str,
    timeout_s: float = 600.0,
    stale_after_s: float = STALE_AFTER_S,
    cancelled: threading.Event | None = None,
) -> Iterator[BasePathLock]:
    """
    Hold the lock of ``model_base_path``.

    :param purpose: shown to processes that wait, such as ``release of brush_strokes``.
    :param timeout_s: seconds to wait for another holder.
    :raises LockHeldError: another process held it until then; the message names it.
    :raises StoppedError: ``cancelled`` was set while waiting.
    :raises BasePathError: the base path cannot be written.
    """
    lock = _acquire(model_base_path, purpose, timeout_s, StaleWatch(stale_after_s), cancelled)
    heartbeat = Heartbeat(lock.path, interval_s=min(_HEARTBEAT_S, stale_after_s / 4))
    try:
        yield lock
    finally:
        heartbeat.stop()
        _release(lock)


def read_lock(model_base_path: Path) -> LockSeen:
    """Return the newest lock of a base path without taking it; a released one if it was never taken."""
    try:
        return _newest(model_base_path / STATE_DIRECTORY)
    except (FileNotFoundError, NotADirectoryError):
        return LockSeen(0)


def is_locked(model_base_path: Path) -> bool:
    """Return False if the holder of the lock is known to be dead, or has not touched it for a minute."""
    seen = read_lock(model_base_path)
    if seen.released or (seen.owner is not None and seen.owner.is_known_dead()):
        return False
    alive = seen.owner is not None and seen.owner.is_known_alive()
    return bool(alive) or time.time() - seen.touched_ns / 1e9 < STALE_AFTER_S


def _acquire(
    model_base_path: Path, purpose: str, timeout_s: float, watch: StaleWatch, cancelled: threading.Event | None
) -> BasePathLock:
    try:
        directory = state_directory(model_base_path)
    except OSError as error:
        raise BasePathError(f"{model_base_path} cannot be written: {error.strerror}.") from error
    deadline_s = time.monotonic() + timeout_s
    while True:
        now_s = time.monotonic()
        seen = _newest(directory)
        dead = seen.owner is not None and seen.owner.is_known_dead()
        if seen.released or watch.is_stale(seen, now_s=now_s, known_dead=dead):
            if lock := _take(directory, seen.generation + 1, purpose):
                return lock
            continue
        if cancelled is not None and cancelled.is_set():
            raise StoppedError(f"Stopped while waiting for the lock of {model_base_path}.")
        if now_s >= deadline_s:
            raise LockHeldError(
                f"{model_base_path} is locked by {seen.owner or 'an unknown process'} ({seen.purpose}) and was not "
                f"released within {timeout_s:.0f} s. Wait until it has ended, then rerun."
            )
        time.sleep(_POLL_S)


def _newest(directory: Path) -> LockSeen:
    while True:
        generations = [int(match.group(1)) for name in os.listdir(directory) if (match := _LOCK.fullmatch(name))]
        if not generations:
            return LockSeen(0)
        path = directory / f"lock.{max(generations)}"
        try:
            return _read(path, max(generations))
        except FileNotFoundError:
            continue  # a newer one was made and this one removed: look again


def _read(path: Path, generation: int) -> LockSeen:
    data = path.read_bytes()
    touched_ns = path.stat().st_mtime_ns
    if data.startswith(_RELEASED):
        return LockSeen(generation)
    try:
        content = json.loads(data)
        owner, purpose = Owner.from_json(content["owner"]), str(content["purpose"])
    except (KeyError, TypeError, ValueError):
        return LockSeen(
            generation, released=False, touched_ns=touched_ns
        )  # only its heartbeat shows whether it is alive
    return LockSeen(generation, released=False, owner=owner, purpose=purpose, touched_ns=touched_ns)


def _take(directory: Path, generation: int, purpose: str) -> BasePathLock | None:
    ticket = directory / f".lock.{uuid.uuid4().hex}.part"
    path = directory / f"lock.{generation}"
    try:
        ticket.write_text(json.dumps({"owner": Owner.me().to_json(), "purpose": purpose}), encoding="utf-8")
        _link(ticket, path)
    except (FileExistsError, FileNotFoundError):
        return None  # another process was faster, or removed our ticket: look again
    except OSError as error:
        raise BasePathError(f"The lock {path} cannot be made: {error.strerror}.") from error
    finally:
        ticket.unlink(missing_ok=True)
    if _newest(directory).generation != generation:  # we were paused between looking and linking
        path.unlink(missing_ok=True)
        return None
    _clear_old(directory, generation)
    return BasePathLock(path, generation)


def _link(ticket: Path, path: Path) -> None:
    """
    Make ``path`` with the ticket's content; FileExistsError if another process was faster.

    Some mounts (of virtual machines, SMB) have no links. Creating exclusively is as good there; a reader may see the
    file before its content, which counts as held by an unknown process.
    """
    try:
        os.link(ticket, path)
    except FileExistsError:
        if ticket.stat().st_nlink == 1:  # otherwise it is ours: an NFS client repeats a request if the answer was lost
            raise
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        with path.open("xb") as stream:
            stream.write(ticket.read_bytes())


def _clear_old(directory: Path, generation: int) -> None:
    for name in os.listdir(directory):
        match = _LOCK.fullmatch(name)
        if match and int(match.group(1)) <= generation - _KEPT_GENERATIONS:
            (directory / name).unlink(missing_ok=True)


def _release(lock: BasePathLock) -> None:
    try:
        with lock.path.open("r+b") as stream:
            stream.write(_RELEASED)
            stream.truncate()
    except OSError:
        pass  # it was taken over, or the disk is gone: waiters notice that this process has ended
