"""Find files below a local folder in a fixed order, with one folder's names in memory at a time."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from tendies_ops.inference.ledger.outcomes import Found
from tendies_ops.inference.listing.patterns import PathFilter

Identity = tuple[int, int]  # device and inode of a folder


def find_files(root: Path, keep: PathFilter, *, leave_out: Path | None = None) -> Iterator[Found]:
    """
    Yield every regular file below ``root``, folder by folder, names sorted by their bytes.

    Links are followed, except to a folder that contains them, the parents of ``root`` included. Unreadable files and
    folders are yielded with their ``problem``, so that they are counted and reported.

    :param leave_out: a folder that is never entered: the output, if it is below the input.
    """
    above = tuple(_identity(folder.stat()) for folder in (*root.resolve().parents, root))
    left_out = _identity(leave_out.stat()) if leave_out is not None and leave_out.exists() else None
    yield from _walk(os.fspath(root), "", above, keep, left_out)


def output_stems(names: Iterable[str]) -> dict[str, str]:
    """
    Return the stem of each file's output: its own stem, or its whole name if another file has the same stem.

    ``a.jpg`` and ``a.png`` become ``a.jpg.*`` and ``a.png.*``. The choice depends on the folder's names only, and a
    whole name cannot equal another file's stem, because a stem that is some file's name is not used either.
    """
    names = list(names)
    stems = {name: os.path.splitext(name)[0] for name in names}  # noqa: PTH122 # a million names
    shared = Counter(stem.casefold() for stem in stems.values())
    taken = {name.casefold() for name in names}
    return {
        name: name if shared[stem.casefold()] > 1 or (stem != name and stem.casefold() in taken) else stem
        for name, stem in stems.items()
    }


def _walk(
    root: str, below: str, above: tuple[Identity, ...], keep: PathFilter, left_out: Identity | None
) -> Iterator[Found]:
    try:
        with os.scandir(os.path.join(root, below) if below else root) as entries:
            folder = sorted(entries, key=lambda entry: os.fsencode(entry.name))
    except OSError as error:
        yield Found(below, 0, 0, below, f"the folder cannot be read: {error.strerror}")
        return
    stems = output_stems(entry.name for entry in folder)
    prefix = below + "/" if below else ""
    for entry in folder:
        path = prefix + entry.name
        if keep.hides(entry.name):
            continue
        identity = _folder_identity(entry)
        if identity is not None:
            if identity != left_out and identity not in above and not keep.leaves_out(path):
                yield from _walk(root, path, (*above, identity), keep, left_out)
        elif keep.takes(path):
            found = _look_at(entry, path, prefix + stems[entry.name])
            if found is not None:
                yield found


def _folder_identity(entry: os.DirEntry[str]) -> Identity | None:
    """Return device and inode of a folder; None if it is not one or cannot be read, such as a link to itself."""
    try:
        return _identity(entry.stat()) if entry.is_dir() else None
    except OSError:
        return None


def _look_at(entry: os.DirEntry[str], path: str, output_stem: str) -> Found | None:
    try:
        status = entry.stat()
    except OSError as error:
        return Found(path, 0, 0, output_stem, f"it cannot be read: {error.strerror}")
    if not stat.S_ISREG(status.st_mode):
        return None  # opening a pipe or device could block
    return Found(path, status.st_size, status.st_mtime_ns, output_stem)


def _identity(status: os.stat_result) -> Identity:
    return status.st_dev, status.st_ino
