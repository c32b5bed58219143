"""Writing so that a reader sees the old content or the new one, whatever is killed when."""

from __future__ import annotations

import contextlib
import os
import stat
import uuid
from pathlib import Path


def write_bytes_atomically(
    path: Path, data: bytes, *, durable: bool = True, like: os.stat_result | None = None
) -> None:
    """
    Write ``data`` next to ``path`` under a hidden name, then rename it over ``path``.

    :param durable: also sync file and directory, so that it survives a power cut and not only a kill.
    :param like: with this mode and, as far as this process may, of this owner and group; absent: by the umask.
    :raises OSError: the disk is full, the folder is not writable. Nothing is left behind.
    """
    temporary = path.with_name(f".{path.name[:100]}.{uuid.uuid4().hex}.part")
    try:
        with temporary.open("wb") as stream:
            if like is not None:  # before it has its name: it may be read at any moment after
                _make_like(stream.fileno(), like)
            stream.write(data)
            stream.flush()
            if durable:
                os.fsync(stream.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if durable:
        sync_directory(path.parent)


def write_text_atomically(path: Path, text: str, *, durable: bool = True, like: os.stat_result | None = None) -> None:
    """:func:`write_bytes_atomically` for UTF-8 text."""
    write_bytes_atomically(path, text.encode(), durable=durable, like=like)


def _make_like(descriptor: int, like: os.stat_result) -> None:
    with contextlib.suppress(PermissionError):
        os.fchown(descriptor, like.st_uid, like.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(like.st_mode))


def sync_directory(directory: Path) -> None:
    """Make renames, creations and removals in ``directory`` survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(root: Path) -> None:
    """Sync every file and directory below ``root``, children before parents."""
    for directory, _, names in os.walk(root, topdown=False):
        for name in names:
            descriptor = os.open(os.path.join(directory, name), os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        sync_directory(Path(directory))
