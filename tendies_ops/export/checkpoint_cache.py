"""
Checkpoints behind URLs, fetched once into a folder of this machine.

    <cache>/<key>/model.ckpt-7.index ...    <cache>/<key>.lock    <cache>/<key>.part/ while it is fetched

The key is that of the content: a digest of names, sizes and the store's own stamps, or the digest in the URL.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import posixpath
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from tendies_ops.errors import CheckpointError, CheckpointMissingError, ExportError, StoppedError, UsageError
from tendies_ops.files import digest_file
from tendies_ops.files.object_store import ObjectStore
from tendies_ops.spec.source import DIGEST_MARK

#: Environment variables: the folder, and how large it may become.
FOLDER_VARIABLE = "TENDIES_CHECKPOINT_CACHE"
LIMIT_VARIABLE = "TENDIES_CHECKPOINT_CACHE_GIB"
_DEFAULT_FOLDER = "~/.cache/tendies/checkpoints"
_DEFAULT_LIMIT_GIB = 20.0
_STAMPS = ("ETag", "etag", "md5Hash", "generation", "mtime", "LastModified", "last_modified", "updated", "created")
_CHUNK_BYTES = 1 << 20
_SAY_EVERY_S = 2.0
_DIGEST = re.compile(r"[0-9a-f]{64}")
_OPEN_WEB = ("http://", "https://")

Say = Callable[[str], None]


@dataclass(frozen=True)
class _Remote:
    """One file of a checkpoint in a store."""

    name: str  #: relative to the checkpoint's folder
    path: str  #: as the store names it
    size_bytes: int
    stamp: tuple[str, ...]


@contextlib.contextmanager
def fetched_checkpoint(url: str, *, say: Say, cancelled: threading.Event | None = None) -> Iterator[Path]:
    """
    Yield the local path of a checkpoint; its files remain in place until the block ends.

    :param url: fsspec URL of a file, a folder or a checkpoint's prefix. ``#sha256=<64 digits>`` at its end is the
        digest of the one file, which a URL of the open web (``http``, ``https``) must have.
    :param say: gets a line of progress every two seconds.
    :raises UsageError: the URL cannot be used.
    :raises CheckpointMissingError: there is nothing, or it cannot be fetched.
    :raises CheckpointError: its content is not that of the digest.
    :raises ExportError: it does not fit into the cache.
    :raises StoppedError: ``cancelled`` was set.
    """
    with contextlib.ExitStack() as used:
        try:
            path = _fetch(url, used, say, cancelled)
        except (OSError, NotImplementedError) as error:
            raise CheckpointMissingError(f"The checkpoint {url} cannot be fetched: {error}.") from error
        yield path


def _fetch(url: str, used: contextlib.ExitStack, say: Say, cancelled: threading.Event | None) -> Path:
    place, digest = _split(url)
    name = posixpath.basename(place)
    store = ObjectStore(posixpath.dirname(place))
    try:
        remotes = _find(store, name, place)
        if digest and len(remotes) != 1:
            raise UsageError(f"{place} has {len(remotes)} files, of which none can have the digest in {url}.")
        cache = _Cache()
        folder = used.enter_context(cache.locked(digest or _key_of(place, remotes)))
        if not folder.is_dir():
            cache.make_room(sum(remote.size_bytes for remote in remotes), place, folder.name)
            _Fetch(store, place, say, cancelled).fetch(remotes, folder, digest)
        os.utime(folder)
    finally:
        store.close()
    return folder / name


def _split(url: str) -> tuple[str, str]:
    """Return the place without its digest, and the digest."""
    place, _, digest = url.partition(DIGEST_MARK)
    if digest and not _DIGEST.fullmatch(digest):
        raise UsageError(f"The digest of the checkpoint {url} must be 64 hexadecimal digits.")
    if place.startswith(_OPEN_WEB) and not digest:
        raise UsageError(
            f"The checkpoint {url} comes from the open web. Add the digest of the file that you have checked: "
            f"{place}{DIGEST_MARK}<64 digits>."
        )
    return place.rstrip("/"), digest


def _find(store: ObjectStore, name: str, place: str) -> list[_Remote]:
    """Return the one file, all files of the folder, or those that share the prefix."""
    if place.startswith(_OPEN_WEB):  # which cannot be listed
        return [_remote(store.files.info(place), name)]
    try:
        entries = store.entries_in("")
    except FileNotFoundError:
        entries = {}
    own = entries.get(name)
    if own is not None and own["type"] == "directory":
        root = own["name"].rstrip("/")
        found = store.files.find(root, detail=True).values()
        remotes = [_remote(entry, name + entry["name"].removeprefix(root)) for entry in found]
    else:
        taken = [name] if own is not None else [other for other in entries if other.startswith(f"{name}.")]
        remotes = [_remote(entries[other], other) for other in taken]
    if not remotes:
        raise CheckpointMissingError(f"There is no checkpoint at {place}. Check source.checkpoint or --checkpoint.")
    return remotes


def _remote(entry: dict[str, Any], name: str) -> _Remote:
    if any(part in {"", ".", ".."} for part in name.split("/")):
        raise CheckpointError(f"The checkpoint has a file with the name {name!r}, which no folder can hold.")
    stamp = tuple(str(entry[key]) for key in _STAMPS if entry.get(key) is not None)
    return _Remote(name, entry["name"], int(entry.get("size") or 0), stamp)


def _key_of(place: str, remotes: Sequence[_Remote]) -> str:
    facts = [place, sorted((remote.name, remote.size_bytes, remote.stamp) for remote in remotes)]
    return hashlib.sha256(orjson.dumps(facts)).hexdigest()


class _Cache:
    """The folder of this machine."""

    def __init__(self) -> None:
        self._folder = Path(os.environ.get(FOLDER_VARIABLE) or _DEFAULT_FOLDER).expanduser()
        self._folder.mkdir(parents=True, exist_ok=True)
        text = os.environ.get(LIMIT_VARIABLE) or str(_DEFAULT_LIMIT_GIB)
        try:
            self._limit_bytes = int(float(text) * (1 << 30))
        except ValueError:
            raise UsageError(f"{LIMIT_VARIABLE} must be a number of GiB; found {text!r}.") from None

    @contextlib.contextmanager
    def locked(self, key: str) -> Iterator[Path]:
        """Yield the folder of a key, which no other process fetches or removes in the meantime."""
        with (self._folder / f"{key}.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield self._folder / key

    def make_room(self, needed_bytes: int, place: str, key: str) -> None:
        """
        Remove the checkpoints that were used least recently until another one fits.

        :raises ExportError: it does not fit.
        """
        if needed_bytes > self._limit_bytes:
            raise ExportError(
                f"The checkpoint {place} has {_mib(needed_bytes)}; {LIMIT_VARIABLE} allows {_mib(self._limit_bytes)}."
            )
        kept = sorted(
            (path for path in self._folder.iterdir() if path.is_dir() and path.stem != key),
            key=lambda one: one.stat().st_mtime,
        )
        sizes = {path: _size_of(path) for path in kept}
        for path in kept:
            if sum(sizes.values()) + needed_bytes <= self._limit_bytes:
                break
            if _remove_unused(path):
                del sizes[path]
        if (used_bytes := sum(sizes.values())) + needed_bytes > self._limit_bytes:
            raise ExportError(
                f"The checkpoint {place} has {_mib(needed_bytes)}; {LIMIT_VARIABLE} allows {_mib(self._limit_bytes)}, "
                f"of which other exports use {_mib(used_bytes)}. Wait for them, or allow more."
            )
        free_bytes = shutil.disk_usage(self._folder).free
        if free_bytes < needed_bytes:
            raise ExportError(
                f"The checkpoint {place} has {_mib(needed_bytes)}; {self._folder} has {_mib(free_bytes)} left. "
                f"Free space, or set {FOLDER_VARIABLE} to another folder."
            )


def _remove_unused(folder: Path) -> bool:
    """Remove a fetched checkpoint, or part of one, unless a process uses it."""
    with folder.with_suffix(".lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        shutil.rmtree(folder, ignore_errors=True)
        return True


class _Fetch:
    """One checkpoint on its way. What a killed fetch had complete is not fetched again."""

    def __init__(self, store: ObjectStore, place: str, say: Say, cancelled: threading.Event | None) -> None:
        self._store, self._place, self._say, self._cancelled = store, place, say, cancelled
        self._fetched_bytes, self._said_s = 0, time.monotonic()

    def fetch(self, remotes: Sequence[_Remote], folder: Path, digest: str) -> None:
        """
        Make ``folder``, by one rename.

        :raises CheckpointError: the digest is another one.
        """
        part = folder.with_suffix(".part")
        total_bytes = sum(remote.size_bytes for remote in remotes)
        self._say(f"Fetching {self._place}, {_mib(total_bytes)}")
        for remote in remotes:
            target = part / remote.name
            if not (target.is_file() and target.stat().st_size == remote.size_bytes > 0):
                self._copy(remote, target, total_bytes)
        if digest:
            self._compare(part / remotes[0].name, digest, part)
        part.rename(folder)

    def _copy(self, remote: _Remote, target: Path, total_bytes: int) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = target.with_name(f".{target.name}.unfinished")
        with self._store.files.open(remote.path, "rb") as source, unfinished.open("wb") as copy:
            while chunk := source.read(_CHUNK_BYTES):
                copy.write(chunk)
                self._note(len(chunk), total_bytes)
            copy.flush()
            os.fsync(copy.fileno())
        unfinished.rename(target)

    def _note(self, size_bytes: int, total_bytes: int) -> None:
        if self._cancelled is not None and self._cancelled.is_set():
            raise StoppedError("The export was asked to stop while its checkpoint was fetched.")
        self._fetched_bytes += size_bytes
        now_s = time.monotonic()
        if now_s - self._said_s > _SAY_EVERY_S:
            self._said_s = now_s
            self._say(f"Fetched {_mib(self._fetched_bytes)} of {_mib(total_bytes)}")

    def _compare(self, file: Path, digest: str, part: Path) -> None:
        found = digest_file(file).sha256.removeprefix("sha256:")
        if found != digest:
            shutil.rmtree(part, ignore_errors=True)
            raise CheckpointError(
                f"{self._place} has the digest {found}, not {digest}. Its content has changed: check the new file "
                "before you change the digest."
            )


def _size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / (1 << 20):,.1f} MiB"
