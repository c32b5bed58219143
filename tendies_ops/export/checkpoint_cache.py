"""
Checkpoints behind URLs, fetched once into a folder of this machine.

    <cache>/<key>/model.ckpt-7.index ...    <cache>/<key>.lock    <cache>/<key>.part/ while it is fetched

The key is that of the content: a digest of names, sizes and the store's own stamps, or the digest in the URL.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import posixpath
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tendies_ops.errors import CheckpointError, CheckpointMissingError, ExportError, StoppedError, UsageError
from tendies_ops.export.checkpoint_listing import RemoteFile, find_remote, key_of, split_url
from tendies_ops.files import digest_file
from tendies_ops.files.object_store import ObjectStore

#: Environment variables: the folder, and how large it may become.
FOLDER_VARIABLE = "TENDIES_CHECKPOINT_CACHE"
LIMIT_VARIABLE = "TENDIES_CHECKPOINT_CACHE_GIB"
_DEFAULT_FOLDER = "~/.cache/tendies/checkpoints"
_DEFAULT_LIMIT_GIB = 20.0
_CHUNK_BYTES = 1 << 20
_SAY_EVERY_S = 2.0
_LOCK_EVERY_S = 0.1

Say = Callable[[str], None]


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
    place, digest = split_url(url)
    name = posixpath.basename(place)
    store = ObjectStore(posixpath.dirname(place))
    try:
        remotes = find_remote(store, name, place)
        if digest and len(remotes) != 1:
            raise UsageError(f"{place} has {len(remotes)} files, of which none can have the digest in {url}.")
        cache = _Cache()
        lock = used.enter_context(cache.locked(digest or key_of(place, remotes), cancelled))
        folder = lock.folder
        if not folder.is_dir():
            cache.make_room(sum(remote.size_bytes for remote in remotes), place, folder.name)
            _Fetch(store, place, say, cancelled, cache.limit_bytes).fetch(remotes, folder, digest)
        os.utime(folder)
        lock.share()
    finally:
        store.close()
    return folder / name


@dataclass(frozen=True)
class _Lock:
    """The folder of a key, and the lock that keeps others from changing it."""

    folder: Path
    file: IO[str]

    def share(self) -> None:
        """
        Let others read the folder as well.

        :raises CheckpointMissingError: another process has removed it between the two locks.
        """
        fcntl.flock(self.file, fcntl.LOCK_SH)
        if not self.folder.is_dir():
            raise CheckpointMissingError(f"{self.folder} was removed to make room for another checkpoint. Try again.")


class _Cache:
    """The folder of this machine."""

    def __init__(self) -> None:
        self._folder = Path(os.environ.get(FOLDER_VARIABLE) or _DEFAULT_FOLDER).expanduser()
        self._folder.mkdir(parents=True, exist_ok=True)
        text = os.environ.get(LIMIT_VARIABLE) or str(_DEFAULT_LIMIT_GIB)
        try:
            self.limit_bytes = int(float(text) * (1 << 30))
        except (ValueError, OverflowError):
            raise UsageError(f"{LIMIT_VARIABLE} must be a number of GiB; found {text!r}.") from None

    @contextlib.contextmanager
    def locked(self, key: str, cancelled: threading.Event | None) -> Iterator[_Lock]:
        """
        Yield the lock of a key, whose folder no other process fetches or removes in the meantime.

        :raises StoppedError: ``cancelled`` was set while another process fetched it.
        """
        folder = self._folder / key
        with folder.with_suffix(".lock").open("a") as file:
            while not _take(file, folder):
                if cancelled is not None and cancelled.is_set():
                    raise StoppedError("The export was asked to stop while it waited for its checkpoint.")
                time.sleep(_LOCK_EVERY_S)
            yield _Lock(folder, file)

    def make_room(self, needed_bytes: int, place: str, key: str) -> None:
        """
        Remove the checkpoints that were used least recently until another one fits.

        :raises ExportError: it does not fit.
        """
        if needed_bytes > self.limit_bytes:
            raise ExportError(
                f"The checkpoint {place} has {_mib(needed_bytes)}; {LIMIT_VARIABLE} allows {_mib(self.limit_bytes)}."
            )
        kept = sorted(
            (path for path in self._folder.iterdir() if path.is_dir() and path.stem != key),
            key=lambda one: one.stat().st_mtime,
        )
        sizes = {path: _size_of(path) for path in kept}
        for path in kept:
            if sum(sizes.values()) + needed_bytes <= self.limit_bytes:
                break
            if _remove_unused(path):
                del sizes[path]
        if (used_bytes := sum(sizes.values())) + needed_bytes > self.limit_bytes:
            raise ExportError(
                f"The checkpoint {place} has {_mib(needed_bytes)}; {LIMIT_VARIABLE} allows {_mib(self.limit_bytes)}, "
                f"of which other exports use {_mib(used_bytes)}. Wait for them, or allow more."
            )
        free_bytes = shutil.disk_usage(self._folder).free
        if free_bytes < needed_bytes:
            raise ExportError(
                f"The checkpoint {place} has {_mib(needed_bytes)}; {self._folder} has {_mib(free_bytes)} left. "
                f"Free space, or set {FOLDER_VARIABLE} to another folder."
            )


def _take(file: IO[str], folder: Path) -> bool:
    """Lock what is there for reading, and what is not there for fetching it; return False if neither can be had now."""
    is_there = folder.is_dir()
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if is_there else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    if folder.is_dir() == is_there:
        return True
    fcntl.flock(file, fcntl.LOCK_UN)  # another process was faster
    return False


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

    def __init__(
        self, store: ObjectStore, place: str, say: Say, cancelled: threading.Event | None, limit_bytes: int
    ) -> None:
        self._store, self._place, self._say, self._cancelled = store, place, say, cancelled
        self._limit_bytes = limit_bytes
        self._fetched_bytes, self._said_s = 0, time.monotonic()

    def fetch(self, remotes: Sequence[RemoteFile], folder: Path, digest: str) -> None:
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

    def _copy(self, remote: RemoteFile, target: Path, total_bytes: int) -> None:
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
        if self._fetched_bytes > self._limit_bytes:  # of a web server that gave no size
            raise ExportError(f"The checkpoint {self._place} is larger than {LIMIT_VARIABLE} allows.")
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
