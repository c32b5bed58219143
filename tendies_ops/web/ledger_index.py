"""
A ledger that pages fast, however long it is.

The index lies in the cache directory, never in the output. It follows the ledger as it grows, may be thrown away at any
time, and holds no fact of its own: what a page shows of a picture is read from its line.
"""

from __future__ import annotations

import hashlib
import sqlite3
import threading
import time
from array import array
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from tendies_ops.web.ledger_intake import SCHEMA, take_in_chunk

#: A search counts so many pictures and no more.
MAX_FOUND = 2000
_BUDGET_S = 0.25  # what a page waits for the index; the rest is made behind its back
_BLANK: dict[str, Any] = dict.fromkeys(
    ("output", "kind", "reason", "model_name", "version", "milliseconds", "size_bytes", "batch_size")
)


@dataclass(frozen=True)
class LedgerLine:
    """One line and its place in the ledger."""

    row: int  #: counts from 1 over all runs of this ledger
    record: dict[str, Any]  #: as the ledger has it; what a line of another tendies does not tell is None


@dataclass(frozen=True)
class LedgerPage:
    """Some lines of a run."""

    lines: tuple[LedgerLine, ...]
    total: int  #: how many match; for a search at most ``MAX_FOUND``
    more: bool  #: the search found more than it counted


@dataclass(frozen=True)
class Query:
    """Which lines."""

    run_ids: tuple[str, ...] | None = None  #: absent: of every run
    outcome: str = ""
    kind: str = ""
    text: str = ""  #: anywhere in the picture's path, whatever the case

    def where(self) -> tuple[str, tuple[str, ...]]:
        """For SQL; the text is not part of it."""
        given = {column: value for column, value in (("outcome", self.outcome), ("kind", self.kind)) if value}
        words = [f"{column} = ?" for column in given]
        if self.run_ids is not None:
            words.append(f"run_id IN ({', '.join('?' * len(self.run_ids))})")
        return " AND ".join(["1", *words]), (*given.values(), *(self.run_ids or ()))


@dataclass(frozen=True, order=True)
class _Place:
    """Where one line lies."""

    row: int
    start: int
    length: int


class LedgerIndexes:
    """The indexes of all ledgers, each made when it is first asked for."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock = threading.Lock()
        self._open: dict[Path, LedgerIndex] = {}

    def of(self, ledger: Path) -> LedgerIndex:
        """The index of one ledger."""
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
        self._following = threading.Lock()
        self._known = (-1, 0, 0)

    def follow(self, *, budget_s: float = _BUDGET_S) -> float:
        """
        Take in what was appended since.

        :param budget_s: return after so long; a thread goes on with the rest.
        :return: which share of the ledger is known now, 0 to 1.
        """
        seen = self._look()
        if seen == self._known and self._database.exists():
            return 1.0
        if self._following.acquire(timeout=budget_s):
            try:
                finished = self._take_in_until(time.monotonic() + budget_s)
            finally:
                self._following.release()
            if finished:
                self._known = seen
            else:
                threading.Thread(target=self._finish, name="tendies-ledger", daemon=True).start()
        return self._share_known(seen[0])

    def counts(self, run_ids: tuple[str, ...]) -> dict[tuple[str, str], int]:
        """(outcome, kind of failure) -> number of lines of some runs."""
        where, values = Query(run_ids).where()
        sql = f"SELECT outcome, kind, sum(number) FROM parts WHERE {where} GROUP BY outcome, kind"  # noqa: S608 - constants
        with self._connection() as connection:
            rows = connection.execute(sql, values)
            return {(outcome, kind): number for outcome, kind, number in rows}

    def page(self, query: Query, *, offset: int, limit: int) -> LedgerPage:
        """Some lines, in the order of the ledger."""
        with self._connection() as connection:
            if query.text:
                found = _first(_matches(connection, query), MAX_FOUND + 1)
                total, places = min(len(found), MAX_FOUND), found[offset : offset + limit]
                return LedgerPage(tuple(self._read(places)), total, len(found) > MAX_FOUND)
            total, places = _slice(connection, query, offset, limit)
        return LedgerPage(tuple(self._read(places)), total, more=False)

    def newest(self, text: str, *, limit: int) -> list[LedgerLine]:
        """Lines of every run whose path holds ``text``, newest first."""
        with self._connection() as connection:
            places = _first(_matches(connection, Query(text=text), backwards=True), limit)
        return list(self._read(places))

    def line(self, row: int) -> LedgerLine | None:
        """One line, of whichever run."""
        with self._connection() as connection:
            chunk = _chunk_of(connection, row)
            places = [place for place in _places(connection, chunk, Query()) if place.row == row]
        return next(self._read(places), None)

    def neighbours(self, query: Query, row: int) -> tuple[int | None, int | None]:
        """The rows before and after ``row`` among those that match."""
        with self._connection() as connection:
            chunk = _chunk_of(connection, row)
            back = _matches(connection, query, start=chunk, backwards=True)
            on = _matches(connection, query, start=chunk)
            before = next((place.row for place in back if place.row < row), None)
            after = next((place.row for place in on if place.row > row), None)
        return before, after

    def lines(self, query: Query) -> Iterator[LedgerLine]:
        """Every matching line. Holds one chunk at a time."""
        for row, line in self._raw(query):
            yield LedgerLine(row, _record_of(line))

    def raw_lines(self, query: Query) -> Iterator[bytes]:
        """Every matching line as the ledger has it. Holds one chunk at a time."""
        return (line for _, line in self._raw(query))

    def _raw(self, query: Query) -> Iterator[tuple[int, bytes]]:
        with self._connection() as connection:
            yield from self._read_raw(_matches(connection, query))

    def _read(self, places: Sequence[_Place]) -> Iterator[LedgerLine]:
        for row, line in self._read_raw(places):
            yield LedgerLine(row, _record_of(line))

    def _read_raw(self, places: Sequence[_Place] | Iterator[_Place]) -> Iterator[tuple[int, bytes]]:
        try:
            stream = self._ledger.open("rb")
        except FileNotFoundError:
            return
        with stream:
            for place in places:
                stream.seek(place.start)
                yield place.row, stream.read(place.length)

    def _finish(self) -> None:
        with self._following:
            while not self._take_in_until(time.monotonic() + 5.0):
                pass

    def _take_in_until(self, deadline_s: float) -> bool:
        """Whether the index has caught up. Another process that is at it right now counts as caught up."""
        while True:
            try:
                with self._connection() as connection, connection:
                    connection.execute("BEGIN IMMEDIATE")
                    new_bytes = take_in_chunk(connection, self._ledger)
            except (sqlite3.OperationalError, FileNotFoundError):
                return True
            if new_bytes == 0:
                return True
            if time.monotonic() > deadline_s:
                return False

    def _look(self) -> tuple[int, int, int]:
        """What tells one state of the ledger from another: its size first."""
        try:
            status = self._ledger.stat()
        except OSError:
            return (0, 0, 0)
        return (status.st_size, status.st_mtime_ns, status.st_ino)

    def _share_known(self, size_bytes: int) -> float:
        with self._connection() as connection:
            known_bytes = connection.execute("SELECT max(stop) FROM chunks").fetchone()[0] or 0
        return min(1.0, known_bytes / size_bytes) if size_bytes else 1.0

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        self._database.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(self._database, timeout=2.0, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = OFF")  # it can be made again
            connection.executescript(SCHEMA)
            yield connection


def _record_of(line: bytes) -> dict[str, Any]:
    record = orjson.loads(line)
    return {**record, **{name: None for name in _BLANK if name not in record}}


def _slice(connection: sqlite3.Connection, query: Query, offset: int, limit: int) -> tuple[int, list[_Place]]:
    """How many lines match, and some of them: only the chunks that these lie in are looked into."""
    where, values = query.where()
    sql = f"SELECT chunk, sum(number) FROM parts WHERE {where} GROUP BY chunk ORDER BY chunk"  # noqa: S608 - constants
    total, places = 0, []
    for chunk, number in connection.execute(sql, values).fetchall():
        first, last = max(offset - total, 0), min(offset + limit - total, number)
        if first < last:
            places += _places(connection, chunk, query)[first:last]
        total += number
    return total, places


def _matches(
    connection: sqlite3.Connection, query: Query, *, start: int | None = None, backwards: bool = False
) -> Iterator[_Place]:
    """Every matching line from the chunk ``start`` on, in order."""
    where, values = query.where()
    order = "DESC" if backwards else "ASC"
    sql = f"SELECT DISTINCT chunk FROM parts WHERE {where} ORDER BY chunk {order}"  # noqa: S608 - constants
    chunks = [chunk for (chunk,) in connection.execute(sql, values)]
    for chunk in chunks:
        if start is not None and (chunk > start if backwards else chunk < start):
            continue
        places = _places(connection, chunk, query)
        yield from reversed(places) if backwards else places


def _places(connection: sqlite3.Connection, chunk: int, query: Query) -> list[_Place]:
    """The matching lines of one chunk, in order."""
    where, values = query.where()
    columns = "numbers, starts, lengths" + (", names" if query.text else "")
    sql = f"SELECT {columns} FROM parts WHERE chunk = ? AND {where}"  # noqa: S608 - constants
    found: list[_Place] = []
    for numbers, starts, lengths, *names in connection.execute(sql, (chunk, *values)):
        columns_of = tuple(array("q", blob) for blob in (numbers, starts, lengths))
        wanted = _holding(names[0], query.text) if query.text else range(len(columns_of[0]))
        found += [_Place(columns_of[0][at], columns_of[1][at], columns_of[2][at]) for at in wanted]
    return sorted(found)


def _holding(names: bytes, text: str) -> Iterator[int]:
    """Which of the names, one a line, hold the text."""
    needle = text.lower().replace("\n", " ").encode("utf-8", "replace")
    line, counted_to, at = 0, 0, names.find(needle)
    while at >= 0:
        line += names.count(b"\n", counted_to, at)
        yield line
        counted_to = names.find(b"\n", at)
        if counted_to < 0:
            return
        at = names.find(needle, counted_to)


def _chunk_of(connection: sqlite3.Connection, row: int) -> int:
    found = connection.execute("SELECT chunk FROM chunks WHERE first_row <= ? AND ? < next_row", (row, row)).fetchone()
    return int(found[0]) if found else 0


def _first(places: Iterator[_Place], limit: int) -> list[_Place]:
    return [place for place, _ in zip(places, range(limit), strict=False)]
