"""
Pictures and results behind an fsspec URL: ``s3://``, ``gs://``, ``memory://`` and the rest.

An object store cannot append, so the ledger is kept on this machine while a run lasts and goes up in segments,
``.tendies/ledger/<run_id>-<number>.jsonl``, every few seconds: a crash costs those seconds. Nothing there can be locked
either: two runs that write to one place at the same time both do the work.
"""

from __future__ import annotations

import contextlib
import posixpath
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import fsspec

from tendies_ops.errors import InputFolderError, OutputFolderError, UsageError
from tendies_ops.inference.finding import output_stems
from tendies_ops.inference.globs import PathFilter
from tendies_ops.inference.ledger import LEDGER_NAME, STATE_FOLDER
from tendies_ops.inference.outcomes import Found

_SEGMENT_EVERY_S = 5.0


def is_remote(url: str) -> bool:
    """Whether this is a URL that is not a file on this machine."""
    return "://" in url and not url.startswith(("file://", "local://"))


class RemoteInput:
    """
    Pictures below a URL.

    :raises UsageError: the URL's kind is not known here, or its package is not installed.
    :raises InputFolderError: there is nothing.
    """

    def __init__(self, url: str) -> None:
        self._files, self._root = _open(url)
        try:
            self._files.ls(self._root, detail=False)
        except OSError as error:
            raise InputFolderError(f"The input {url} cannot be read: {error}.") from error

    def find(self, keep: PathFilter, *, leave_out: str) -> Iterator[Found]:
        """Every object below the URL, prefix by prefix, sorted by name."""
        left_out = self._files._strip_protocol(leave_out) if is_remote(leave_out) else None
        yield from self._walk(self._root, "", keep, left_out)

    def read(self, path: str) -> bytes:
        """The whole object."""
        data: bytes = self._files.cat_file(posixpath.join(self._root, path))
        return data

    def read_start(self, path: str) -> bytes:
        """The first bytes of an object."""
        data: bytes = self._files.cat_file(posixpath.join(self._root, path), start=0, end=64)
        return data

    def _walk(self, root: str, below: str, keep: PathFilter, left_out: str | None) -> Iterator[Found]:
        entries = {posixpath.basename(entry["name"].rstrip("/")): entry for entry in self._files.ls(root, detail=True)}
        entries.pop(posixpath.basename(root), None) if below else None
        stems = output_stems(entries)
        for name in sorted(entries):
            entry, path = entries[name], posixpath.join(below, name)
            if keep.hides(name) or entry["name"].rstrip("/") == left_out:
                continue
            if entry["type"] == "directory":
                if not keep.leaves_out(path):
                    yield from self._walk(entry["name"], path, keep, left_out)
            elif keep.takes(path):
                stem = posixpath.join(below, stems[name])
                yield Found(path, int(entry.get("size") or 0), _changed_ns(entry), stem)


class RemoteOutput:
    """
    Results below a URL, with the run's state in ``.tendies`` below it and a working copy of it on this machine.

    :raises UsageError: the URL's kind is not known here, or its package is not installed.
    """

    def __init__(self, url: str, run_id: str) -> None:
        self.url = url.rstrip("/")
        self._files, self._root = _open(url)
        self._run_id = run_id
        self._folder = tempfile.TemporaryDirectory(prefix="tendies-")
        self.state = Path(self._folder.name)
        self._sent_bytes = self._segments = 0
        self._sent_s = time.monotonic()

    @contextlib.contextmanager
    def locked(self, shard: tuple[int, int] | None = None) -> Iterator[None]:
        """
        Fetch the ledger's segments before, send what is left after.

        :raises UsageError: shards need a folder.
        """
        if shard is not None:
            raise UsageError(f"A batch in shards needs an output folder; {self.url} is none.")
        self._fetch_state()
        try:
            yield
        finally:
            self._send_segment()
            self._folder.cleanup()

    def place(self, path: Path) -> str:
        """Where a file of the state lies for everybody."""
        return posixpath.join(self.url, STATE_FOLDER, path.relative_to(self.state).as_posix())

    def size_of(self, path: str) -> int | None:
        """Bytes of a result; None when it is not there."""
        try:
            return int(self._files.info(self._at(path))["size"])
        except OSError:
            return None

    def read(self, path: str) -> bytes:
        """A result."""
        data: bytes = self._files.cat_file(self._at(path))
        return data

    def write(self, path: str, data: bytes) -> None:
        """
        Write a whole object, which such stores show whole or not at all.

        :raises OutputFolderError: it cannot be written.
        """
        try:
            self._files.makedirs(posixpath.dirname(self._at(path)), exist_ok=True)
            self._files.pipe_file(self._at(path), data)
        except OSError as error:
            raise OutputFolderError(f"{self.url}/{path} cannot be written: {error}. What is done is kept.") from error

    def remove(self, path: str) -> None:
        """Remove a result that another name has replaced."""
        with contextlib.suppress(OSError):
            self._files.rm_file(self._at(path))

    def keep_up(self) -> None:
        """Send new lines of the ledger, when it is time."""
        if time.monotonic() - self._sent_s >= _SEGMENT_EVERY_S:
            self._send_segment()

    def publish(self, folder: Path) -> None:
        """Send every file of a folder of the state."""
        for path in sorted(folder.iterdir()):
            self.write(posixpath.join(STATE_FOLDER, path.relative_to(self.state).as_posix()), path.read_bytes())

    def _at(self, path: str) -> str:
        return posixpath.join(self._root, path)

    def _fetch_state(self) -> None:
        ledger = self._at(posixpath.join(STATE_FOLDER, "ledger"))
        try:
            names = sorted(self._files.ls(ledger, detail=False))
        except OSError:
            names = []
        with (self.state / LEDGER_NAME).open("wb") as stream:
            for name in names:
                stream.write(self._files.cat_file(name))
        self._sent_bytes = (self.state / LEDGER_NAME).stat().st_size

    def _send_segment(self) -> None:
        self._sent_s = time.monotonic()
        path = self.state / LEDGER_NAME
        if not path.exists():
            return
        with path.open("rb") as stream:
            stream.seek(self._sent_bytes)
            lines = stream.read()
        if lines:
            name = f"{self._run_id}-{self._segments:06}.jsonl"
            self.write(posixpath.join(STATE_FOLDER, "ledger", name), lines)
            self._sent_bytes += len(lines)
            self._segments += 1


def _open(url: str) -> tuple[Any, str]:
    try:
        files, root = fsspec.core.url_to_fs(url)
    except ImportError as error:
        raise UsageError(f"{url} needs a package that is not installed: {error}.") from error
    except ValueError as error:
        raise UsageError(f"{url} is not a place that fsspec knows: {error}.") from error
    return files, root.rstrip("/")


def _changed_ns(entry: dict[str, Any]) -> int:
    """When an object changed, by whatever its store calls it; 0 when it does not tell."""
    for key in ("mtime", "LastModified", "last_modified", "updated", "created"):
        value = entry.get(key)
        if isinstance(value, datetime):
            return int(value.timestamp() * 1e9)
        if isinstance(value, int | float):
            return int(value * 1e9)
    return 0
