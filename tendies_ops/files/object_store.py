"""
Objects behind an fsspec URL (``s3://``, ``gs://``, ``memory://`` and the rest), many at a time.

An object store answers a request in tens of milliseconds and takes hundreds at once, so one after the other is the one
way not to use it. It also fails now and then: what fails in passing is tried again here. The packages for both are
imported at the first request, as most batches run from folder to folder.
"""

from __future__ import annotations

import contextlib
import posixpath
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from typing import Any, TypeVar

from tendies_ops.addresses import login_refusal
from tendies_ops.errors import UsageError

Given = TypeVar("Given")
Made = TypeVar("Made")

_AT_ONCE = 64
#: Options by which a store's own library takes that many: s3fs alone keeps ten connections. It would also ask for the
#: size of every object before it reads one, to read large ones in pieces; many objects at once do as well.
_STORE_OPTIONS: dict[str, dict[str, Any]] = {
    "s3": {"max_concurrency": 1, "config_kwargs": {"max_pool_connections": _AT_ONCE}}
}
_FLAT = frozenset({"s3", "gs", "abfs"})  # a folder is only the start of names: making one costs a request for nothing
_TRIES = 5
_LONGEST_PAUSE_S = 5.0
#: Errors that repeating the request cannot fix.
_LASTING = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError, FileExistsError)


def is_remote(url: str) -> bool:
    """Return whether this is a URL that is not a file on this machine."""
    return "://" in url and not url.startswith(("file://", "local://"))


class ObjectStore:
    """
    The objects below one URL. Threads may share it. Paths are relative to the URL.

    :raises UsageError: the URL's kind is not known here, or its package is not installed.

    Methods raise ``OSError`` for what several attempts did not fix, ``FileNotFoundError`` for what is not there.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self.files, root = _open(url)
        self.root = root.rstrip("/")
        self._protocols = {self.files.protocol} if isinstance(self.files.protocol, str) else set(self.files.protocol)
        self.files.invalidate_cache()  # listings are remembered by the process; others write there too
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="tendies-store")
        self._lock = threading.Lock()
        self._folders: set[str] = set()
        self._read_ahead: dict[str, Future[bytes]] = {}

    def close(self) -> None:
        """Release the threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def path_of(self, url: str) -> str:
        """Return the store's own name for another URL of its kind."""
        name: str = self.files._strip_protocol(url)
        return name.rstrip("/")

    def entries_in(self, folder: str) -> dict[str, dict[str, Any]]:
        """Return name -> entry (``name``, ``type``, ``size``, ...) of the children of a folder; sizes are kept."""
        at = self._at(folder)
        entries = _retry(lambda: self.files.ls(at, detail=True))
        return {
            posixpath.basename(entry["name"].rstrip("/")): entry
            for entry in entries
            if not folder
            or entry["name"].strip("/") != at.strip("/")  # some stores have an object for the folder itself
        }

    def is_empty(self) -> bool:
        """
        Return True if there is nothing below the URL.

        :raises FileNotFoundError: there is not even the bucket, which is likely a mistyped one.
        """
        try:
            return not self.entries_in("")
        except FileNotFoundError:
            if not _FLAT.isdisjoint(self._protocols):
                _retry(lambda: self.files.ls(self.root.partition("/")[0]))
            return True

    def read_ahead(self, paths: Iterable[str]) -> None:
        """Begin to read; :meth:`read` of these waits for what is under way."""
        with self._lock:
            for path in paths:
                self._read_ahead[path] = self._pool.submit(self._read_now, path)

    def read(self, path: str) -> bytes:
        """Return a whole object."""
        with self._lock:
            begun = self._read_ahead.pop(path, None)
        return begun.result() if begun is not None else self._read_now(path)

    def read_start(self, path: str, size_bytes: int) -> bytes:
        """Return the first bytes of an object."""
        data: bytes = _retry(lambda: self.files.cat_file(self._at(path), start=0, end=size_bytes))
        return data

    def read_all(self, paths: Sequence[str]) -> list[bytes]:
        """Whole objects, in the order of their names here."""
        return list(self._pool.map(self._read_now, paths))

    def write(self, path: str, data: bytes) -> None:
        """Write a whole object, which such stores show whole or not at all."""
        self._make_folder(path)
        _retry(lambda: self.files.pipe_file(self._at(path), data))

    def create(self, path: str, data: bytes) -> None:
        """
        Write a whole object that is not there yet.

        :raises FileExistsError: it is there. A store that cannot do both in one request may overwrite what another
            program has just written.
        """
        at = self._at(path)
        self._make_folder(path)
        try:
            _ask(lambda: self.files.pipe_file(at, data, mode="create"))
        except FileExistsError:
            raise
        except (OSError, NotImplementedError, ValueError):
            if _retry(lambda: self.files.exists(at)):
                raise FileExistsError(f"{self.url}/{path} is there already") from None
            self.write(path, data)

    def names_now(self, folder: str) -> list[str]:
        """Return the names directly in a folder now, sorted; empty where there is no such folder."""
        self.files.invalidate_cache(self._at(folder))
        try:
            return sorted(self.entries_in(folder))
        except FileNotFoundError:
            return []

    def remove(self, path: str) -> None:
        """Remove an object; one that is already gone is not an error."""
        with contextlib.suppress(FileNotFoundError):
            _retry(lambda: self.files.rm_file(self._at(path)))

    def map(self, function: Callable[[Given], Made], items: Sequence[Given]) -> Iterator[Made]:
        """Call ``function``, which waits for this store, for all items at once; results in order."""
        return self._pool.map(function, items)

    def _make_folder(self, path: str) -> None:
        folder = posixpath.dirname(self._at(path))
        if folder not in self._folders and _FLAT.isdisjoint(self._protocols):
            _retry(lambda: self.files.makedirs(folder, exist_ok=True))
            self._folders.add(folder)

    def _read_now(self, path: str) -> bytes:
        data: bytes = _retry(lambda: self.files.cat_file(self._at(path)))
        return data

    def _at(self, path: str) -> str:
        return posixpath.join(self.root, path) if path else self.root


def changed_ns(entry: dict[str, Any]) -> int:
    """Return the modification time, by the name that the store has for it; 0 if it has none."""
    for key in ("mtime", "LastModified", "last_modified", "updated", "created"):
        value = entry.get(key)
        if isinstance(value, datetime):
            return int(value.timestamp() * 1e9)
        if isinstance(value, int | float):
            return int(value * 1e9)
    return 0


def _retry(request: Callable[[], Any]) -> Any:
    from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

    tries = Retrying(
        retry=retry_if_exception(lambda error: isinstance(error, OSError) and not isinstance(error, _LASTING)),
        stop=stop_after_attempt(_TRIES),
        wait=wait_random_exponential(multiplier=0.1, max=_LONGEST_PAUSE_S),
        reraise=True,
    )
    return tries(_ask, request)


def _ask(request: Callable[[], Any]) -> Any:
    """Return what the store's own library raises (no network, no credentials) as what a file would raise."""
    try:
        return request()
    except Exception as error:
        if isinstance(error, OSError) or type(error).__module__ == "builtins":
            raise
        kind = PermissionError if "Credentials" in type(error).__name__ else OSError
        raise kind(f"{type(error).__name__}: {error}") from error


def _open(url: str) -> tuple[Any, str]:
    import fsspec

    if words := login_refusal(url):
        raise UsageError(f"This cannot be opened: {words}.")
    try:
        return fsspec.core.url_to_fs(url, **_options_for(url))  # type: ignore[no-any-return]  # fsspec ships no types
    except ImportError as error:
        raise UsageError(f"{url} needs a package that is not installed: {error}.") from error
    except ValueError as error:
        raise UsageError(f"{url} is not a place that fsspec knows: {error}.") from error


def _options_for(url: str) -> dict[str, Any]:
    """Return what is set here for this kind of store, unless fsspec's own configuration sets it."""
    import fsspec

    protocol = url.partition("://")[0]
    configured = fsspec.config.conf.get(protocol, {})
    options = {}
    for name, value in _STORE_OPTIONS.get(protocol, {}).items():
        told = configured.get(name)
        options[name] = {**value, **(told or {})} if isinstance(value, dict) else value if told is None else told
    return options
