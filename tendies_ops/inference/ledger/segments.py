"""
The ledger in an object store, which cannot append: segments, ``.tendies/ledger/<time>-<run_id>.jsonl``.

A segment is written once and never changed, so parallel runs cannot lose or duplicate lines. The names sort by time,
and a run's sort after those that it has read, whatever the clocks of the machines; as in any ledger, the last line
about a picture counts. Many segments are compacted into one with only the last line of each picture, under the name
that sorts where the last of them did; only then the others are removed. A reader in between reads some lines twice,
which is harmless.
"""

from __future__ import annotations

import contextlib
import itertools
import posixpath
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path

import orjson

from tendies_ops.files.object_store import ObjectStore
from tendies_ops.inference.ledger.ledger import STATE_FOLDER

_FOLDER = posixpath.join(STATE_FOLDER, "ledger")
_COMPACTED_FROM = 32  # segments
_TIME = "%Y%m%dT%H%M%S.%fZ"


class LedgerSegments:
    """
    The segments of one output, as one run uses them.

    :param store: the output.
    :param run_id: of the new segments.
    """

    def __init__(self, store: ObjectStore, run_id: str) -> None:
        self._store, self._run_id = store, run_id
        self._numbers = itertools.count()
        self._newest = datetime.min.replace(tzinfo=timezone.utc)  # by the names

    def fetch(self, path: Path, *, compact: bool) -> None:
        """
        Write all lines into a local file, in order.

        :param compact: compact the segments if there are many.
        """
        names = self._names()
        contents = self._store.read_all(names)
        path.write_bytes(b"".join(map(ended, contents)))
        self._newest = max([self._newest, *map(_time_in, names)])
        if compact and len(names) >= _COMPACTED_FROM:
            self._store.write(f"{names[-1].removesuffix('.jsonl')}.all.jsonl", last_lines(contents))
            list(self._store.map(self._store.remove, names))

    def add(self, lines: bytes) -> None:
        """Write whole lines as the newest segment."""
        self._newest = max(datetime.now(timezone.utc), self._newest + timedelta(microseconds=1))
        name = f"{self._newest:{_TIME}}-{self._run_id}-{next(self._numbers):06}.jsonl"
        self._store.write(posixpath.join(_FOLDER, name), lines)

    def _names(self) -> list[str]:
        try:
            return sorted(posixpath.join(_FOLDER, name) for name in self._store.entries_in(_FOLDER))
        except FileNotFoundError:
            return []


def last_lines(segments: Sequence[bytes]) -> bytes:
    """Return the last line about each picture, in the order of the first ones."""
    newest: dict[str, bytes] = {}
    for segment in segments:
        for line in segment.splitlines():
            with contextlib.suppress(ValueError, AttributeError, KeyError, TypeError):  # incomplete after a full disk
                record = orjson.loads(line)
                newest[record.get("input_b64") or record["input"]] = line
    return b"".join(line + b"\n" for line in newest.values())


def ended(segment: bytes) -> bytes:
    """Return the segment with an end of its last line."""
    return segment if segment.endswith(b"\n") else segment + b"\n"


def _time_in(name: str) -> datetime:
    """Return the time by which a segment sorts; the earliest one for another program's file."""
    try:
        return datetime.strptime(posixpath.basename(name).partition("-")[0], _TIME).replace(tzinfo=timezone.utc)
    except ValueError:
        return datetime.min.replace(tzinfo=timezone.utc)
