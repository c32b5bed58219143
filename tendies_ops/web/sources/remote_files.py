"""Single pictures from object stores, fetched when a page shows them and cached. No FastAPI."""

from __future__ import annotations

import contextlib
import hashlib
import posixpath
import threading
from concurrent import futures
from pathlib import Path, PurePosixPath

from tendies_ops.errors import TendiesError
from tendies_ops.files import write_bytes_atomically
from tendies_ops.files.object_store import ObjectStore
from tendies_ops.web.pictures.picture_cache import forget_oldest
from tendies_ops.web.safety import BusyError, OutsideError

_MAX_OBJECT_BYTES = 128 << 20
_KEPT_BYTES = 256 << 20
_COPIES_AT_ONCE = 3  # objects are read whole; fewer than the threads of the pages, so that others go on
_PATIENCE_S = 5.0
_COPY_S = 20.0  # what a page waits for its copy


class ObjectStores:
    """One open store a URL, for as long as the API server lives."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[str, ObjectStore] = {}

    def of(self, url: str) -> ObjectStore:
        """
        Return the store of a URL that a spec names.

        :raises UsageError: its kind is not known here, or its package is not installed.
        """
        with self._lock:
            if url not in self._open:
                self._open[url] = ObjectStore(url)
            return self._open[url]


class RemoteFiles:
    """
    Copies under names of their own: what an object is called never becomes a path here.

    :param limit_s: how long a caller waits for one copy.
    """

    def __init__(self, directory: Path, stores: ObjectStores, *, limit_s: float = _COPY_S) -> None:
        self._directory = directory
        self._stores = stores
        self._limit_s = limit_s
        self._lock = threading.Lock()
        self._copying = threading.BoundedSemaphore(_COPIES_AT_ONCE)
        self._written_bytes = _KEPT_BYTES  # unknown until the first tidy-up, which the first write starts

    def fetch(self, url: str, relative: str, digest: str) -> Path:
        """
        Return a local copy of one object.

        :param url: one that a spec names.
        :param relative: below it, with ``/`` between its parts.
        :param digest: of its content, as the ledger has it: other content is another copy.
        :raises OutsideError: it is not below the URL, not there, too large, or cannot be read now.
        :raises BusyError: other objects are still being copied, or this one takes too long: it goes on, in its place
            among those that are copied at the same time, and is there for later requests.
        """
        parts = PurePosixPath(relative).parts
        if not parts or "\0" in relative or relative.startswith("/") or ".." in parts:
            raise OutsideError(relative)
        name = hashlib.sha256(f"{url}\0{relative}\0{digest}".encode("utf-8", "surrogateescape")).hexdigest()
        path = self._directory / name
        if not path.is_file():
            if not self._copying.acquire(timeout=_PATIENCE_S):
                raise BusyError(relative)
            ended: futures.Future[None] = futures.Future()
            copy = threading.Thread(
                target=self._copy, args=(path, url, relative, ended), name="tendies-copy", daemon=True
            )
            copy.start()
            try:
                ended.result(self._limit_s)
            except futures.TimeoutError as error:
                raise BusyError(relative) from error
        return path

    def _copy(self, path: Path, url: str, relative: str, ended: futures.Future[None]) -> None:
        """Make one copy, free its place, and report how it ended."""
        with contextlib.ExitStack() as stack:
            stack.callback(self._copying.release)
            try:
                if not path.is_file():
                    self._keep(path, self._read(url, relative))
            except BaseException as error:
                stack.callback(ended.set_exception, error)
            else:
                stack.callback(ended.set_result, None)

    def _read(self, url: str, relative: str) -> bytes:
        try:
            store = self._stores.of(url)
            size_bytes = int(store.files.info(posixpath.join(store.root, relative))["size"])
            if size_bytes > _MAX_OBJECT_BYTES:
                raise OutsideError(relative)
            return store.read(relative)
        except (OSError, TendiesError) as error:
            raise OutsideError(relative) from error

    def _keep(self, path: Path, data: bytes) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        with self._lock:
            self._written_bytes += len(data)
            if self._written_bytes >= _KEPT_BYTES:  # before the write, so that the new copy stays
                self._written_bytes = forget_oldest(self._directory, keep_bytes=_KEPT_BYTES // 2) + len(data)
        write_bytes_atomically(path, data, durable=False)
