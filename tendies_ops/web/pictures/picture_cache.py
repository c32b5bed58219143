"""Pictures as the pages show them: drawn by processes of their own (:mod:`.drawing`), and drawn once."""

from __future__ import annotations

import hashlib
import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError  # another class than the built-in one until 3.11
from contextlib import suppress
from pathlib import Path

from tendies_ops.files import write_bytes_atomically
from tendies_ops.web.pictures.drawers import shared_drawers
from tendies_ops.web.pictures.drawing import NotAPictureError
from tendies_ops.web.safety import BusyError

__all__ = ["NotAPictureError", "PictureCache", "cache_name", "forget_oldest"]

THUMBNAIL_SIDE = 320
FULL_SIDE = 2048
MEDIA_TYPE = "image/webp"
_FAILURES_KEPT = 20_000
_PATIENCE_S = 45.0  # of a caller whose picture another caller is having drawn


class PictureCache:
    """Encoded pictures by content: a file that changes is drawn again, a file that does not is never read twice."""

    def __init__(self, directory: Path, *, max_bytes: int, encode: Callable[..., bytes] | None = None) -> None:
        self._directory = directory
        self._max_bytes = max_bytes
        self._encode = encode or shared_drawers().draw
        self._lock = threading.Lock()
        self._being_made: dict[str, Future[bytes]] = {}
        self._failures: OrderedDict[str, str] = OrderedDict()
        self._written_bytes = max_bytes  # unknown until the first tidy-up, which the first write starts

    def known(self, path: Path, *, side: int) -> bytes | None:
        """
        Return the picture if it was drawn before, without drawing it.

        :raises NotAPictureError: it was tried before and cannot be shown.
        :raises OSError: it cannot be read.
        """
        return self._known(cache_name(path, side))

    def get(self, path: Path, *, side: int) -> bytes:
        """
        Return the picture at ``path``, at most ``side`` pixels along its longest side.

        :raises NotAPictureError: it cannot be shown; a file that failed is not tried again until it changes.
        :raises BusyError: too many pictures are being drawn.
        :raises OSError: it cannot be read.
        """
        name = cache_name(path, side)
        data = self._known(name)
        if data is not None:
            return data
        with self._lock:
            mine = name not in self._being_made
            made = self._being_made.setdefault(name, Future())
        if mine:
            self._make(made, name, path, side)
        try:
            return made.result(_PATIENCE_S)
        except FutureTimeoutError as error:
            raise BusyError("It is still being drawn.") from error

    def _make(self, made: Future[bytes], name: str, path: Path, side: int) -> None:
        try:
            data = self._known(name)  # it may have been made since it was looked for
            if data is None:
                data = self._encode(path, side=side)
                self._keep(self._place(name), data)
            made.set_result(data)
        except BaseException as error:  # whatever it is belongs to all that wait
            if isinstance(error, NotAPictureError):
                self._remember_failure(name, str(error))
            made.set_exception(error)
        finally:
            with self._lock:
                del self._being_made[name]

    def _known(self, name: str) -> bytes | None:
        reason = self._failures.get(name)
        if reason is not None:
            raise NotAPictureError(reason)
        return _content(self._place(name))

    def _place(self, name: str) -> Path:
        return self._directory / name[:2] / f"{name}.webp"

    def _remember_failure(self, name: str, reason: str) -> None:
        with self._lock:
            self._failures[name] = reason
            if len(self._failures) > _FAILURES_KEPT:
                self._failures.popitem(last=False)

    def _keep(self, cached: Path, data: bytes) -> None:
        try:
            cached.parent.mkdir(parents=True, exist_ok=True)
            write_bytes_atomically(cached, data, durable=False)
        except OSError:
            return  # a full disk costs speed, not the page
        with self._lock:
            self._written_bytes += len(data)
            if self._written_bytes >= self._max_bytes:
                self._written_bytes = forget_oldest(self._directory, keep_bytes=self._max_bytes // 2)


def cache_name(path: Path, side: int) -> str:
    """
    Return a name for this picture in this size, which changes when the file is written again.

    :raises OSError: there is no such file.
    """
    status = path.stat()
    identity = f"{path}\0{status.st_dev}\0{status.st_ino}\0{status.st_size}\0{status.st_mtime_ns}\0{side}"
    return hashlib.sha256(identity.encode("utf-8", "surrogateescape")).hexdigest()


def _content(cached: Path) -> bytes | None:
    """Return None when it is not there yet, or there is no cache."""
    try:
        return cached.read_bytes() or None
    except OSError:
        return None


def forget_oldest(directory: Path, *, keep_bytes: int) -> int:
    """
    Remove files, oldest first, until those that stay are small enough.

    :return: bytes of those that stay.
    """
    files = []
    for folder, _, names in os.walk(directory):
        for name in names:
            path = Path(folder, name)
            with suppress(FileNotFoundError):  # another API server may tidy up the same folder
                status = path.stat()
                files.append((status.st_mtime, status.st_size, path))
    kept_bytes = 0
    for _, size_bytes, path in sorted(files, reverse=True):
        if kept_bytes + size_bytes > keep_bytes:
            path.unlink(missing_ok=True)
        else:
            kept_bytes += size_bytes
    return kept_bytes
