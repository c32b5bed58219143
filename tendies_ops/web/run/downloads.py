"""Downloads, streamed: a run of a million pictures takes no more memory than one of ten."""

from __future__ import annotations

import os
import re
import time
import zipfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import IO, cast

from tendies_ops.inference.ledger.ledger import exact_path
from tendies_ops.web.ledger.ledger_index import LedgerIndex
from tendies_ops.web.ledger.ledger_places import Query
from tendies_ops.web.run.batch_run import Run
from tendies_ops.web.run.run_pictures import picture_path
from tendies_ops.web.safety import OutsideError
from tendies_ops.web.sources.remote_files import RemoteFiles

_PIECE_BYTES = 256 << 10
_OLDEST_S, _NEWEST_S = 315_619_200, 4_354_732_800  # 1980-01-02 and 2107-12-31: what a ZIP can express in any time zone
_UNSAFE = re.compile(r'[\\:*?"<>|\x00-\x1f\x7f]')  # separators, drives and names that some system does not take


def begun(parts: Iterator[bytes]) -> Iterator[bytes]:
    """Make the first part now: what fails at once is answered with an error, not with an empty file."""
    return chain([next(parts, b"")], parts)


def ledger_lines(index: LedgerIndex, wanted: Query) -> Iterator[bytes]:
    """
    Yield the matching lines of the ledger.

    :raises LedgerChangedError: it was replaced while it was read; the download ends as a failed one.
    """
    index.follow()
    yield from index.raw_lines(wanted)


def zip_of_results(run: Run, index: LedgerIndex, wanted: Query, remote: RemoteFiles) -> Iterator[bytes]:
    """
    Yield a ZIP of the results, stored as they are, named as below the output folder but safe on every system.

    A result that is not there any more is left out.

    :raises OSError: a result cannot be read to its end; the download ends as a failed one.
    """
    index.follow()
    buffer = _Spout()
    with zipfile.ZipFile(cast("IO[bytes]", buffer), "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for line in index.lines(wanted):
            try:
                path = picture_path(run, line, "after", remote)
            except OutsideError:
                continue
            yield from _file_in(archive, path, safe_name(exact_path(line.record, "output") or path.name), buffer)
    yield buffer.taken()


def safe_name(path: str) -> str:
    """Return the name of a result in an archive: no system takes a part of it for a drive or another folder."""
    text = path.encode("utf-8", "replace").decode()
    parts = [_UNSAFE.sub("_", part).rstrip(". ") or "_" for part in text.split("/") if part not in {"", "."}]
    return "/".join(parts)


def _file_in(archive: zipfile.ZipFile, path: Path, name: str, buffer: _Spout) -> Iterator[bytes]:
    try:
        stream = path.open("rb")
    except FileNotFoundError:
        return
    with stream:
        status = os.fstat(stream.fileno())
        moment = time.localtime(min(max(status.st_mtime, _OLDEST_S), _NEWEST_S))
        info = zipfile.ZipInfo(name, moment[:6])
        info.external_attr = 0o100644 << 16
        info.file_size = status.st_size
        with archive.open(info, "w", force_zip64=status.st_size >= zipfile.ZIP64_LIMIT // 2) as entry:
            while piece := stream.read(_PIECE_BYTES):
                entry.write(piece)
                yield buffer.taken()
    yield buffer.taken()


class _Spout:
    """A file that can be written and nothing else, so that the archive is written in one pass."""

    def __init__(self) -> None:
        self._written: list[bytes] = []

    def write(self, data: bytes) -> int:
        """Keep data until it is taken."""
        self._written.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Do nothing: there is nothing behind it."""

    def taken(self) -> bytes:
        """Take out what was written since the last time."""
        data = b"".join(self._written)
        self._written.clear()
        return data
