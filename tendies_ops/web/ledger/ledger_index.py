"""
A ledger that pages fast, however long it is.

The index is in the cache directory, never in the output. It follows the ledger as it grows, may be thrown away at any
time, and holds no fact of its own: what a page shows of a picture is read from its line.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from tendies_ops.web.ledger.ledger_intake import MANY, open_index, take_in_until
from tendies_ops.web.ledger.ledger_makers import shared_makers
from tendies_ops.web.ledger.ledger_places import Place, Query, chunk_of, matches, newest_of, place_of, slice_of
from tendies_ops.web.sources import number_answers
from tendies_ops.web.sources.typed import typed_record

#: A search counts this many pictures and no more.
MAX_FOUND = 2000
_BUDGET_S = 0.25  # what a page waits for the index; the rest is made behind its back


class LedgerChangedError(Exception):
    """The ledger is not the file that its index describes: it was replaced while it was read."""


@dataclass(frozen=True)
class LedgerLine:
    """One line and its place in the ledger."""

    row: int  #: counts from 1 over all runs of this ledger
    record: dict[str, Any]  #: as the ledger has it; a value that the line lacks is None

    @property
    def has_picture(self) -> bool:
        """Return whether its result is a picture: neither nothing nor numbers alone."""
        output = self.record["output"]
        return isinstance(output, str) and not output.endswith(number_answers.SUFFIX)


@dataclass(frozen=True)
class LedgerPage:
    """Some lines of a run."""

    lines: tuple[LedgerLine, ...]
    total: int  #: how many match; for a search at most ``MAX_FOUND``
    more: bool  #: the search found more than it counted


class LedgerIndexes:
    """The indexes of all ledgers, each made when it is first asked for."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock = threading.Lock()
        self._open: dict[Path, LedgerIndex] = {}

    def of(self, ledger: Path) -> LedgerIndex:
        """Return the index of one ledger."""
        with self._lock:
            if ledger not in self._open:
                name = hashlib.sha256(str(ledger).encode("utf-8", "surrogateescape")).hexdigest()[:32]
                self._open[ledger] = LedgerIndex(ledger, self._directory / f"{name}.sqlite")
            return self._open[ledger]


class LedgerIndex:
    """The index of one ledger. Threads and processes may share it."""

    def __init__(self, ledger: Path, database: Path) -> None:
        self._ledger = ledger
        self._database = database
        self._makers = shared_makers()
        self._following = threading.Lock()
        self._known = (-1, 0, 0)

    def follow(self, *, budget_s: float = _BUDGET_S) -> float:
        """
        Take in what was appended since.

        :param budget_s: return after this time; a process of its own goes on with the rest.
        :return: the share of the ledger that is known now, 0 to 1.
        """
        seen = self._look()
        if seen == self._known and self._database.exists():
            return 1.0
        if self._makers.is_at_work(self._database):
            return self._share_known(seen[0])
        if self._following.acquire(timeout=budget_s):
            try:
                finished = take_in_until(self._ledger, self._database, time.monotonic() + budget_s)
            finally:
                self._following.release()
            if finished:
                self._known = seen
            else:
                self._makers.start(self._ledger, self._database)
        return self._share_known(seen[0])

    def counts(self, run_ids: tuple[str, ...]) -> dict[tuple[str, str], int]:
        """(outcome, kind of failure) -> number of lines of some runs."""
        where, values = Query(run_ids).where()
        sql = f"SELECT outcome, kind, sum(number) FROM parts WHERE {where} GROUP BY outcome, kind"  # noqa: S608 - constants
        with open_index(self._database) as connection:
            rows = connection.execute(sql, values)
            return {(outcome, kind): number for outcome, kind, number in rows}

    def parameters(self, run_ids: tuple[str, ...]) -> list[tuple[str, int]] | None:
        """
        Return ``name=JSON`` of each value of a parameter, and the number of lines of some runs that have it.

        :return: None if the index does not have them, because they are too many.
        """
        where, values = Query(run_ids).where()
        sql = f"SELECT parameters, sum(number) FROM parts WHERE {where} GROUP BY parameters"  # noqa: S608 - constants
        counted: Counter[str] = Counter()
        with open_index(self._database) as connection:
            for parameters, number in connection.execute(sql, values):
                if parameters == MANY:
                    return None
                counted.update(dict.fromkeys(parameters.split("\n")[1:-1], number))
        return sorted(counted.items(), key=lambda item: _natural(item[0]))

    def page(self, query: Query, *, offset: int, limit: int) -> LedgerPage:
        """Return some lines, in the order of the ledger."""
        with open_index(self._database) as connection:
            if query.text:
                found = list(islice(matches(connection, query), MAX_FOUND + 1))
                total, places = min(len(found), MAX_FOUND), found[offset : offset + limit]
                return LedgerPage(tuple(self._read(places)), total, len(found) > MAX_FOUND)
            total, places = slice_of(connection, query, offset, limit)
        return LedgerPage(tuple(self._read(places)), total, more=False)

    def newest(self, text: str, *, limit: int) -> list[LedgerLine]:
        """Lines of every run whose path holds ``text``, newest first."""
        with open_index(self._database) as connection:
            places = list(islice(matches(connection, Query(text=text), backwards=True), limit))
        return list(self._read(places))

    def newest_of(self, paths: Sequence[str]) -> dict[str, LedgerLine]:
        """Return the newest line of each of some pictures, of whichever run."""
        with open_index(self._database) as connection:
            places = list(newest_of(connection, {path.lower().replace("\n", " ") for path in paths}))
        return {str(line.record["input"]): line for line in self._read(places)}

    def line(self, row: int) -> LedgerLine | None:
        """One line, of whichever run."""
        with open_index(self._database) as connection:
            place = place_of(connection, row)
        return next(self._read([place]), None) if place else None

    def neighbours(self, query: Query, row: int) -> tuple[int | None, int | None]:
        """Return the rows before and after ``row`` among those that match."""
        with open_index(self._database) as connection:
            chunk = chunk_of(connection, row)
            back = matches(connection, query, start=chunk, backwards=True)
            on = matches(connection, query, start=chunk)
            before = next((place.row for place in back if place.row < row), None)
            after = next((place.row for place in on if place.row > row), None)
        return before, after

    def lines(self, query: Query) -> Iterator[LedgerLine]:
        """Every matching line. Holds one chunk at a time."""
        for row, line in self._raw(query):
            yield LedgerLine(row, typed_record(orjson.loads(line)))

    def raw_lines(self, query: Query) -> Iterator[bytes]:
        """Every matching line as the ledger has it. Holds one chunk at a time."""
        return (line for _, line in self._raw(query))

    def _raw(self, query: Query) -> Iterator[tuple[int, bytes]]:
        with open_index(self._database) as connection:
            yield from self._read_raw(matches(connection, query))

    def _read(self, places: Sequence[Place]) -> Iterator[LedgerLine]:
        with suppress(LedgerChangedError):  # a page shows what it got; the next one has a new index
            for row, line in self._read_raw(places):
                yield LedgerLine(row, typed_record(orjson.loads(line)))

    def _read_raw(self, places: Sequence[Place] | Iterator[Place]) -> Iterator[tuple[int, bytes]]:
        try:
            stream = self._ledger.open("rb")
        except FileNotFoundError:
            return
        with stream:
            for place in places:
                stream.seek(place.start)
                line = stream.read(place.length)
                if len(line) < place.length or not line.endswith(b"\n"):
                    raise LedgerChangedError(f"{self._ledger} was replaced while it was read.")
                yield place.row, line

    def _look(self) -> tuple[int, int, int]:
        """Return the identity of the ledger's present state; its size comes first."""
        try:
            status = self._ledger.stat()
        except OSError:
            return (0, 0, 0)
        return (status.st_size, status.st_mtime_ns, status.st_ino)

    def _share_known(self, size_bytes: int) -> float:
        with open_index(self._database) as connection:
            known_bytes = connection.execute("SELECT max(stop) FROM chunks").fetchone()[0] or 0
        return min(1.0, known_bytes / size_bytes) if size_bytes else 1.0


def _natural(text: str) -> tuple[str, float, str]:
    """Return a key that sorts ``style=9`` before ``style=10``."""
    name, _, value = text.partition("=")
    try:
        return name, float(value), ""
    except ValueError:
        return name, float("inf"), value
