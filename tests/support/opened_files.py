"""Which files are opened while a test runs, by whatever process: the kernel tells (inotify)."""

from __future__ import annotations

import ctypes
import os
import struct
from pathlib import Path
from types import TracebackType

_IN_OPEN = 0x20
_HEAD = struct.Struct("iIII")  # watch, mask, cookie, length of the name


class OpenedFiles:
    """Notes every file of some folders, and each folder itself, that is opened; a context manager."""

    def __init__(self, *folders: Path) -> None:
        self._folders = folders
        self._names: list[str] = []

    def __enter__(self) -> OpenedFiles:
        libc = ctypes.CDLL(None, use_errno=True)
        self._handle = libc.inotify_init1(os.O_NONBLOCK)
        for folder in self._folders:
            watched = libc.inotify_add_watch(self._handle, os.fsencode(folder), _IN_OPEN)
            assert watched >= 0, os.strerror(ctypes.get_errno())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._handle)

    def names(self) -> list[str]:
        """What was opened so far; "." is a folder."""
        while True:
            try:
                data = os.read(self._handle, 1 << 16)
            except BlockingIOError:
                return self._names
            while data:
                *_, length = _HEAD.unpack_from(data)
                name, data = data[_HEAD.size : _HEAD.size + length], data[_HEAD.size + length :]
                self._names.append(os.fsdecode(name.rstrip(b"\0")) or ".")
