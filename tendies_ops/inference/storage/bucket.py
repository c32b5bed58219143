"""
Pictures and results behind an fsspec URL: ``s3://``, ``gs://``, ``memory://`` and the rest.

An object store cannot append, so the ledger is kept on this machine while a run lasts and goes up in segments every few
seconds: a crash costs those seconds. Nothing there can be locked either; see ``bucket_lease``.
"""

from __future__ import annotations

import contextlib
import posixpath
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from tendies_ops.errors import InputFolderError, OutputFolderError
from tendies_ops.files.object_store import ObjectStore, changed_ns, is_remote
from tendies_ops.inference.ledger.ledger import LEDGER_NAME, STATE_FOLDER
from tendies_ops.inference.ledger.outcomes import Found, PictureError
from tendies_ops.inference.ledger.segments import LedgerSegments
from tendies_ops.inference.listing.patterns import PathFilter
from tendies_ops.inference.listing.walk import output_stems
from tendies_ops.inference.storage.bucket_lease import RemoteLease
from tendies_ops.publish.scratch import ScratchFolder

Given = TypeVar("Given")
Made = TypeVar("Made")

_SEGMENT_EVERY_S = 5.0
_HEADER_BYTES = 64
_FOLDERS_REMEMBERED = 4
# Of S3, Google Cloud Storage and Azure: "object key length limit is 1,024 bytes", without the bucket's name.
_LONGEST_NAME_BYTES = 1024


class RemoteInput:
    """
    Pictures below a URL.

    :param allow_empty: accept a URL without objects, if the bucket exists: a folder without objects does not.
    :raises UsageError: fsspec does not know the scheme, or its package is not installed.
    :raises InputFolderError: there is nothing below the URL.
    """

    is_far = True  #: reading is mostly waiting

    def __init__(self, url: str, *, allow_empty: bool = False) -> None:
        self._store = ObjectStore(url)
        self._allow_empty = allow_empty
        try:
            if not (allow_empty and self._store.is_empty()):
                self._store.entries_in("")
        except OSError as error:
            raise InputFolderError(f"The input {url} cannot be read: {error}.") from error

    def find(self, keep: PathFilter, *, leave_out: str) -> Iterator[Found]:
        """Yield every object below the URL, prefix by prefix, sorted by name."""
        left_out = self._store.path_of(leave_out) if is_remote(leave_out) else None
        yield from self._walk("", keep, left_out)

    def read_ahead(self, paths: Iterable[str]) -> None:
        """Start to read these, all at once."""
        self._store.read_ahead(paths)

    def read(self, path: str) -> bytes:
        """Return the whole object."""
        return self._store.read(path)

    def read_start(self, path: str) -> bytes:
        """Return the first bytes of an object."""
        return self._store.read_start(path, _HEADER_BYTES)

    def close(self) -> None:
        """Start no more reads."""
        self._store.close()

    def _entries_in(self, below: str) -> dict[str, dict[str, Any]]:
        try:
            return self._store.entries_in(below)
        except PermissionError:
            raise
        except OSError as error:
            if isinstance(error, FileNotFoundError) and (below or self._allow_empty):
                return {}  # a folder disappears with its last object
            raise InputFolderError(f"The input's folder {below!r} cannot be read: {error}.") from error

    def _walk(self, below: str, keep: PathFilter, left_out: str | None) -> Iterator[Found]:
        try:
            entries = self._entries_in(below)
        except PermissionError as error:
            yield Found(below, 0, 0, below, f"the folder cannot be read: {error}")
            return
        stems = output_stems(entries)
        for name in sorted(entries):
            entry, path = entries[name], posixpath.join(below, name)
            if keep.hides(name) or entry["name"].rstrip("/") == left_out:
                continue
            if entry["type"] == "directory":
                if not keep.leaves_out(path):
                    yield from self._walk(path, keep, left_out)
            elif keep.takes(path):
                stem = posixpath.join(below, stems[name])
                yield Found(path, int(entry.get("size") or 0), changed_ns(entry), stem)


class RemoteOutput:
    """
    Results below a URL, with the run's state in ``.tendies`` below it and a working copy of it on this machine.

    :raises UsageError: fsspec does not know the scheme, or its package is not installed.
    """

    is_far = True  #: writing is mostly waiting
    shares_one_ledger = False  #: each writer has segments of its own, shards too

    def __init__(self, url: str, run_id: str) -> None:
        self._store = ObjectStore(url)
        self.url = self._store.url
        self._segments = LedgerSegments(self._store, run_id)
        self._run_id = run_id
        self._lease: RemoteLease | None = None
        self._folder = ScratchFolder("batch")
        self.state = self._folder.path
        self._sent_bytes = 0
        self._sent_s = time.monotonic()
        self._sizes: dict[str, dict[str, int]] = {}  # folder -> name -> bytes

    @contextlib.contextmanager
    def locked(self, shard: tuple[int, int] | None = None) -> Iterator[None]:
        """
        Keep other runs out; fetch the ledger's segments before, and send the rest after.

        :param shard: other shards run at the same time, so the segments are not compacted.
        :raises LockHeldError: another run writes here.
        :raises OutputFolderError: the ledger cannot be read.
        """
        try:
            self._lease = RemoteLease(self._store, self._run_id, shard)
            with self._lease.held(), self._with_ledger(shard):
                yield
        finally:
            self._store.close()
            self._folder.cleanup()

    @contextlib.contextmanager
    def _with_ledger(self, shard: tuple[int, int] | None) -> Iterator[None]:
        ledger = self.state / LEDGER_NAME
        try:
            self._segments.fetch(ledger, compact=shard is None)
        except OSError as error:
            raise OutputFolderError(f"The ledger of {self.url} cannot be read: {error}.") from error
        self._sent_bytes = ledger.stat().st_size
        try:
            yield
        finally:
            self._send_segment()

    def place(self, path: Path) -> str:
        """Return the URL of a file of the state; the ledger is a folder of segments there."""
        if path.name == LEDGER_NAME:
            return posixpath.join(self.url, STATE_FOLDER, "ledger")
        return posixpath.join(self.url, STATE_FOLDER, path.relative_to(self.state).as_posix())

    def size_of(self, path: str) -> int | None:
        """Return the bytes of a result; None if it does not exist. It lists each folder once."""
        folder, name = posixpath.split(path)
        if folder not in self._sizes:
            if len(self._sizes) >= _FOLDERS_REMEMBERED:
                self._sizes.pop(next(iter(self._sizes)))
            self._sizes[folder] = self._sizes_in(folder)
        return self._sizes[folder].get(name)

    def holds(self, path: str, *, size_bytes: int | None, modified_ns: int | None, digest: str | None) -> bool:
        """
        Return True if a result exists with the size that was written.

        Stores have times of their own, and listings without digests; reading every result would cost too much.
        """
        del modified_ns, digest
        found_bytes = self.size_of(path)
        return found_bytes == size_bytes if size_bytes else bool(found_bytes)

    def read(self, path: str) -> bytes:
        """Return a result."""
        return self._store.read(path)

    def map(self, function: Callable[[Given], Made], items: Sequence[Given]) -> Iterator[Made]:
        """Make and write several results at once: most of the work is waiting for the store."""
        return self._store.map(function, items)

    def write(self, path: str, data: bytes) -> int:
        """
        Write a whole object, which stores show whole or not at all.

        :return: 0: the modification time is not requested.
        :raises PictureError: this name cannot be written.
        :raises OutputFolderError: nothing can be written.
        """
        try:
            self._store.write(path, data)
        except UnicodeEncodeError as error:  # a name that is not UTF-8, which no store accepts
            raise PictureError("unwritable", f"its output {path} cannot be written: its name is not UTF-8") from error
        except OSError as error:
            _, _, key = self._store.path_of(f"{self.url}/{path}").lstrip("/").partition("/")
            if len(key.encode()) > _LONGEST_NAME_BYTES:
                words = f"its output {path} cannot be written: its name is too long for the store ({error})"
                raise PictureError("unwritable", words) from error
            raise OutputFolderError(
                f"{self.url}/{path} cannot be written: {error}. Finished results are kept."
            ) from error
        return 0

    def remove(self, path: str) -> None:
        """Remove a result that another name has replaced."""
        with contextlib.suppress(OSError):
            self._store.remove(path)

    def keep_up(self) -> None:
        """
        Send new lines of the ledger, when it is time.

        :raises LockHeldError: another run has started to write here.
        """
        if self._lease is not None:
            self._lease.check()
        if time.monotonic() - self._sent_s >= _SEGMENT_EVERY_S:
            self._send_segment()

    def publish(self, folder: Path) -> None:
        """Send every file of a folder of the state."""
        list(self.map(self._publish_file, sorted(folder.iterdir())))

    def _publish_file(self, path: Path) -> None:
        self.write(posixpath.join(STATE_FOLDER, path.relative_to(self.state).as_posix()), path.read_bytes())

    def _sizes_in(self, folder: str) -> dict[str, int]:
        try:
            entries = self._store.entries_in(folder)
        except OSError:
            return {}
        return {name: int(entry.get("size") or 0) for name, entry in entries.items() if entry["type"] == "file"}

    def _send_segment(self) -> None:
        self._sent_s = time.monotonic()
        with (self.state / LEDGER_NAME).open("rb") as stream:
            stream.seek(self._sent_bytes)
            lines = stream.read()
        if lines.strip():
            try:
                self._segments.add(lines)
            except OSError as error:
                raise OutputFolderError(f"The ledger of {self.url} cannot be written: {error}.") from error
        self._sent_bytes += len(lines)
