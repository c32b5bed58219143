"""Read pictures from a folder and write results to one; open both ends of a run."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import itertools
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from tendies_ops.errors import InputFolderError, LockHeldError, OutputFolderError, UsageError
from tendies_ops.files import digest_bytes
from tendies_ops.files.object_store import is_remote
from tendies_ops.inference.ledger.ledger import STATE_FOLDER
from tendies_ops.inference.ledger.outcomes import Found, PictureError
from tendies_ops.inference.listing.patterns import PathFilter
from tendies_ops.inference.listing.walk import find_files
from tendies_ops.inference.options import BatchOptions
from tendies_ops.inference.storage.bucket import RemoteInput, RemoteOutput

Given = TypeVar("Given")
Made = TypeVar("Made")

# Errors about one name; any other error is about every name, and ends the run.
_OF_ONE_NAME = frozenset({errno.ENAMETOOLONG, errno.EISDIR, errno.ENOTDIR, errno.EILSEQ, errno.EEXIST, errno.EINVAL})


class LocalInput:
    """A folder of pictures."""

    is_far = False  #: reading is mostly waiting

    def __init__(self, root: Path) -> None:
        self.root = root

    def find(self, keep: PathFilter, *, leave_out: str) -> Iterator[Found]:
        """See :func:`find_files`."""
        return find_files(self.root, keep, leave_out=_local_path(leave_out))

    def read_ahead(self, paths: Iterable[str]) -> None:
        """Do nothing: the disk reads ahead."""

    def read(self, path: str) -> bytes:
        """Return the whole file: one open, one read."""
        descriptor = os.open(os.path.join(self.root, path), os.O_RDONLY | os.O_CLOEXEC)
        try:
            size_bytes = os.fstat(descriptor).st_size
            data = os.read(descriptor, size_bytes + 1)
            while len(data) < size_bytes and (more := os.read(descriptor, size_bytes - len(data) + 1)):
                data += more
            return data
        finally:
            os.close(descriptor)

    def read_start(self, path: str) -> bytes:
        """Return the first bytes of a file."""
        with open(os.path.join(self.root, path), "rb") as stream:  # noqa: PTH123 # str paths in a hot loop
            return stream.read(64)

    def close(self) -> None:
        """Do nothing: no file is held open."""


class LocalOutput:
    """
    A folder of results, with the run's own state in ``.tendies`` below it; created if it is missing.

    :raises OutputFolderError: it cannot be created or written.
    """

    is_far = False  #: writing is mostly waiting
    shares_one_ledger = True  #: one file; each shard has its own until they are merged

    def __init__(self, root: Path) -> None:
        self.root = root
        self._prefix = f"{root}/"
        self.state = root / STATE_FOLDER
        self._made: set[str] = set()
        self._parts = self.state / "parts"
        self._number = itertools.count()
        try:
            self.state.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputFolderError(f"The output folder {root} cannot be made: {error.strerror}.") from error

    @contextlib.contextmanager
    def locked(self, shard: tuple[int, int] | None = None) -> Iterator[None]:
        """
        Keep other runs out, and remove partly written files of a killed one.

        :param shard: share the folder with the other shards of the same batch.
        :raises LockHeldError: another run writes here.
        :raises OutputFolderError: the lock or a folder cannot be made.
        """
        with contextlib.ExitStack() as locks:
            self._lock(locks, "lock", fcntl.LOCK_EX if shard is None else fcntl.LOCK_SH)
            if shard is not None:
                self._lock(locks, f"lock.shard-{shard[0]}", fcntl.LOCK_EX)
                self._parts = self.state / f"parts.shard-{shard[0]}"
            for left in [self._parts] if shard is not None else self.state.glob("parts*"):
                shutil.rmtree(left, ignore_errors=True)
            try:
                self._parts.mkdir()
            except OSError as error:
                raise OutputFolderError(f"{self._parts} cannot be made: {error.strerror}.") from error
            try:
                yield
            finally:
                shutil.rmtree(self._parts, ignore_errors=True)

    def _lock(self, locks: contextlib.ExitStack, name: str, kind: int) -> None:
        path = self.state / name
        try:
            fcntl.flock(locks.enter_context(path.open("a+")), kind | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LockHeldError(f"Another batch run is writing to {self.root}. Wait for it, or stop it.") from None
        except OSError as error:
            raise OutputFolderError(
                f"The lock of the output folder, {path}, cannot be taken: {error.strerror}."
            ) from error

    def size_of(self, path: str) -> int | None:
        """Return the bytes of a result; None if it does not exist."""
        try:
            return os.stat(self._prefix + path).st_size  # noqa: PTH116 # str paths in a hot loop
        except OSError:
            return None

    def holds(self, path: str, *, size_bytes: int | None, modified_ns: int | None, digest: str | None) -> bool:
        """
        Return True if a result is as it was written: another run may have replaced it and been killed.

        :param size_bytes: of the file when it was written. None: not known.
        :param modified_ns: of the file when it was written; if it has changed, the content decides. None: not known.
        :param digest: of the content.
        """
        try:
            found = os.stat(self._prefix + path)  # noqa: PTH116 # str paths in a hot loop
            if not _has_size(found.st_size, size_bytes):
                return False
            if not modified_ns or found.st_mtime_ns == modified_ns:
                return True
            return digest_bytes(self.read(path)) == digest
        except OSError:
            return False

    def write(self, path: str, data: bytes) -> int:
        """
        Write a result, and rename it into place.

        :return: its modification time, in nanoseconds.
        :raises PictureError: this name cannot be written.
        :raises OutputFolderError: nothing can be written.
        """
        part = f"{self._parts}/{next(self._number)}"
        target = self._prefix + path
        try:
            self._make_folder(target.rpartition("/")[0])
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
            try:
                _write_all(descriptor, data)
            finally:
                os.close(descriptor)
            os.rename(part, target)  # noqa: PTH104 # str paths in a hot loop
            return os.stat(target).st_mtime_ns  # noqa: PTH116
        except OSError as error:
            with contextlib.suppress(OSError):
                os.unlink(part)  # noqa: PTH108
            if error.errno in _OF_ONE_NAME:
                raise PictureError("unwritable", f"its output {path} cannot be written: {error.strerror}") from error
            raise OutputFolderError(
                f"{target} cannot be written: {error.strerror}. Finished results are kept."
            ) from error

    def read(self, path: str) -> bytes:
        """Return a result."""
        return (self.root / path).read_bytes()

    def map(self, function: Callable[[Given], Made], items: Sequence[Given]) -> Iterator[Made]:
        """Make and write several results, one after the other: a disk gains nothing from parallel writes."""
        return map(function, items)

    def place(self, path: Path) -> str:
        """Return the path of a file of the state."""
        return str(path)

    def keep_up(self) -> None:
        """Do nothing: the ledger is in its place already."""

    def publish(self, folder: Path) -> None:
        """Do nothing: the files are in their place already."""

    def remove(self, path: str) -> None:
        """Remove a result that another name has replaced."""
        with contextlib.suppress(OSError):
            (self.root / path).unlink()

    def _make_folder(self, folder: str) -> None:
        if folder not in self._made:
            os.makedirs(folder, exist_ok=True)  # noqa: PTH103
            self._made.add(folder)


def _has_size(found_bytes: int, size_bytes: int | None) -> bool:
    return found_bytes == size_bytes if size_bytes else found_bytes > 0


Input = LocalInput | RemoteInput
Output = LocalOutput | RemoteOutput


def open_folders(options: BatchOptions) -> tuple[Input, Output]:
    """
    Open both ends of a run; each is a path or an fsspec URL.

    :raises InputFolderError: the input cannot be read; checked before the output is made.
    :raises UsageError: they are the same folder, so results would overwrite pictures.
    """
    input_, output = options.input, options.output
    if _identity(input_) == _identity(output):
        raise UsageError(f"Input and output are both {input_}: the results would overwrite the pictures.")
    source = open_input(input_, allow_empty=options.allow_empty)
    return source, RemoteOutput(output, options.run_id) if is_remote(output) else LocalOutput(_local_path(output))


def open_input(place: str, *, allow_empty: bool = False) -> Input:
    """
    Open a folder or URL of pictures.

    :raises InputFolderError: it cannot be read, or is an empty URL and ``allow_empty`` is not set.
    """
    if is_remote(place):
        return RemoteInput(place, allow_empty=allow_empty)
    source = LocalInput(_local_path(place))
    _check_readable(source.root)
    return source


def _local_path(url: str) -> Path:
    return Path(url.removeprefix("file://").removeprefix("local://"))


def folder_identity(url: str) -> str:
    """Return a name for a folder that is the same on every machine: links are not followed."""
    if is_remote(url):
        return url.rstrip("/")
    return os.fsencode(os.path.abspath(_local_path(url))).decode("utf-8", "backslashreplace")  # noqa: PTH100


def _identity(url: str) -> str:
    return url.rstrip("/") if is_remote(url) else str(_local_path(url).resolve())


def _check_readable(folder: Path) -> None:
    """Check the input before the output is made, so that a mistyped input leaves no trace."""
    try:
        os.scandir(folder).close()
    except OSError as error:
        raise InputFolderError(f"The input folder {folder} cannot be read: {error.strerror}.") from error


def _write_all(descriptor: int, data: bytes) -> None:
    written = os.write(descriptor, data)
    while written < len(data):
        written += os.write(descriptor, data[written:])
