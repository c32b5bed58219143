"""
Keep a second run away from an output in an object store, which has no locks.

A run keeps an object ``.tendies/leases/<name>.json`` and changes it every few seconds. Another run that finds one
watches it: if it changes, its run is alive; if it stays the same for long enough, its run was killed, and it is
removed. Only content is compared, never the clocks of two machines.

Limits: if a store cannot create an object only if it is absent (fsspec's ``mode="create"``; S3 and Google Cloud Storage
can), two runs that start within one request of each other both start, and the one whose lease was overwritten ends at
its next beat. The same holds for a run that could not reach the store for longer than others watch. Pictures of both
are processed twice until then, and no line of the ledger is lost, because each has segments of its own.
"""

from __future__ import annotations

import contextlib
import os
import posixpath
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any

import orjson

from tendies_ops.errors import LockHeldError, OutputFolderError
from tendies_ops.files.object_store import ObjectStore
from tendies_ops.inference.ledger.ledger import STATE_FOLDER

_FOLDER = posixpath.join(STATE_FOLDER, "leases")
_ALONE = "run"
_BEAT_EVERY_S = 5.0
_LEFT_AFTER_S = 20.0  # without a beat
_LOOK_EVERY_S = 1.0


class RemoteLease:
    """
    The lease of one run on one output.

    :param store: the output.
    :param run_id: shown to runs that find the lease.
    :param shard: share the output with the other shards of the same batch.
    """

    def __init__(self, store: ObjectStore, run_id: str, shard: tuple[int, int] | None = None) -> None:
        self._store = store
        self._name = f"{_ALONE}.json" if shard is None else f"shard-{shard[0]}.json"
        self._path = posixpath.join(_FOLDER, self._name)
        self._content = {
            "holder": run_id, "host": socket.gethostname(), "pid": os.getpid(), "token": uuid.uuid4().hex, "beat": 0
        }  # fmt: skip
        self._lost = ""
        self._released = threading.Event()

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """
        Hold the output for the length of a ``with`` block.

        :raises LockHeldError: another run does.
        :raises OutputFolderError: the store cannot be reached.
        """
        try:
            self._acquire()
        except OSError as error:
            raise OutputFolderError(f"The lease of {self._store.url} cannot be written: {error}.") from error
        beating = threading.Thread(target=self._beat, daemon=True, name="tendies-lease")
        beating.start()
        try:
            yield
        finally:
            self._released.set()
            beating.join()
            if not self._lost:
                with contextlib.suppress(OSError):  # then it looks like a killed run's, and is removed later
                    self._store.remove(self._path)

    def check(self) -> None:
        """
        Check that the lease is still held.

        :raises LockHeldError: another run has taken it over.
        """
        if self._lost:
            raise LockHeldError(
                f"{self._lost} has started to write to {self._store.url}, because this run could not renew its lease. "
                "Finished results are kept; rerun when the other has ended."
            )

    def _acquire(self) -> None:
        for name in self._rivals():
            self._clear_away(posixpath.join(_FOLDER, name))
        try:
            self._store.create(self._path, self._encoded())
        except FileExistsError:  # another run was faster
            raise self._held_by(self._read(self._path)) from None
        late = [name for name in self._rivals() if name != self._name]
        if late:  # a shard and a whole run started at the same time: both end, and can be started again
            self._store.remove(self._path)
            raise self._held_by(self._read(posixpath.join(_FOLDER, late[0])))

    def _rivals(self) -> list[str]:
        """Return the leases that exclude this one: shards do not exclude other shards."""
        names = self._store.names_now(_FOLDER)
        if self._name == f"{_ALONE}.json":
            return names
        return [name for name in names if name in {self._name, f"{_ALONE}.json"}]

    def _clear_away(self, path: str) -> None:
        """Remove a lease that is not renewed; return as soon as it is gone."""
        first = self._read(path)
        until_s = time.monotonic() + _LEFT_AFTER_S
        while first is not None and time.monotonic() < until_s:
            time.sleep(_LOOK_EVERY_S)
            now = self._read(path)
            if now is None:
                return
            if now != first:
                raise self._held_by(now)
        self._store.remove(path)

    def _beat(self) -> None:
        while not self._released.wait(_BEAT_EVERY_S):
            with contextlib.suppress(OSError):  # an unreachable store is tried again at the next beat
                now = self._read(self._path)
                if now is None or now.get("token") != self._content["token"]:
                    self._lost = _described(now)
                    return
                self._content["beat"] += 1  # type: ignore[operator]  # the others are words
                self._store.write(self._path, self._encoded())

    def _read(self, path: str) -> dict[str, Any] | None:
        """Return the content of a lease; None without one."""
        try:
            content = orjson.loads(self._store.read(path))
        except FileNotFoundError:
            return None
        except ValueError:
            return {}
        return content if isinstance(content, dict) else {}

    def _encoded(self) -> bytes:
        return orjson.dumps(self._content)

    def _held_by(self, content: dict[str, Any] | None) -> LockHeldError:
        return LockHeldError(f"{_described(content)} is writing to {self._store.url}. Wait for it, or stop it.")


def _described(content: dict[str, Any] | None) -> str:
    return (
        f"Batch run {content['holder']} on {content.get('host')}" if content and "holder" in content else "Another run"
    )
