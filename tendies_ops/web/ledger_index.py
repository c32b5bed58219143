"""
A ledger that pages fast, however long it is.

The ledger itself is one JSON line a picture. In the cache directory, never in the output, lies an SQLite file for it
that says which lines belong to which run, outcome and kind of failure, and where each begins. It follows the ledger as
it grows, may be thrown away at any time, and holds no fact of its own: what a page shows is read from the line.
"""

from __future__ import annotations

import hashlib
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

_LAYOUT = 3  # another number makes every index anew
_CHUNK_BYTES = 4 << 20
_BUDGET_S = 0.25  # what a page waits for the index; the rest is made behind its back
_BLANK: dict[str, Any] = dict.fromkeys(
    ("output", "kind", "reason", "model_name", "version", "milliseconds", "size_bytes", "batch_size")
)
_SCHEMA = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS runs (id INTEGER PRIMARY KEY, run_id TEXT UNIQUE);
CREATE TABLE IF NOT EXISTS pictures (
    row INTEGER PRIMARY KEY, run INTEGER, outcome TEXT, kind TEXT, path TEXT, start INTEGER, length INTEGER
);
CREATE INDEX IF NOT EXISTS pictures_by_outcome ON pictures (run, outcome, kind, row);
CREATE TABLE IF NOT EXISTS counts (
    run INTEGER, outcome TEXT, kind TEXT, number INTEGER, PRIMARY KEY (run, outcome, kind)
) WITHOUT ROWID;
"""


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
    """Which lines of a run."""

    run_id: str | None = None  #: absent: of every run
    outcome: str = ""
    kind: str = ""
    text: str = ""  #: anywhere in the picture's path, whatever the case


MAX_FOUND = 2000


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

    def follow(self, *, budget_s: float = _BUDGET_S) -> float:
        """
        Take in what was appended since.

        :param budget_s: return after so long; a thread goes on with the rest.
        :return: which share of the ledger is known now, 0 to 1.
        """
        deadline_s = time.monotonic() + budget_s
        if not self._following.acquire(timeout=budget_s):
            return self._share_known()
        try:
            finished = self._take_in_until(deadline_s)
        finally:
            self._following.release()
        if not finished:
            threading.Thread(target=self._finish, name="tendies-ledger", daemon=True).start()
        return self._share_known()

    def counts(self, run_id: str) -> dict[tuple[str, str], int]:
        """(outcome, kind of failure) -> number of lines of a run."""
        with self._connection() as connection:
            rows = connection.execute(
                "SELECT outcome, kind, number FROM counts JOIN runs ON runs.id = counts.run WHERE run_id = ?", (run_id,)
            )
            return {(outcome, kind): number for outcome, kind, number in rows}

    def page(self, query: Query, *, offset: int, limit: int) -> LedgerPage:
        """Some lines, in the order of the ledger; of all runs: newest first."""
        where, values = _where(query)
        order = "row" if query.run_id is not None else "row DESC"
        with self._connection() as connection:
            places = connection.execute(
                f"SELECT row, start, length FROM pictures {where} ORDER BY {order} LIMIT ? OFFSET ?",  # noqa: S608 - built from constants
                (*values, limit, offset),
            ).fetchall()
            total = self._total(connection, query, where, values)
        return LedgerPage(tuple(self._read(places)), min(total, MAX_FOUND) if query.text else total, total > MAX_FOUND)

    def line(self, row: int) -> LedgerLine | None:
        """One line, of whichever run."""
        with self._connection() as connection:
            places = connection.execute("SELECT row, start, length FROM pictures WHERE row = ?", (row,)).fetchall()
        return next(self._read(places), None)

    def neighbours(self, query: Query, row: int) -> tuple[int | None, int | None]:
        """The rows before and after ``row`` among those that match."""
        where, values = _where(query)
        with self._connection() as connection:
            before, after = (
                connection.execute(
                    f"SELECT row FROM pictures {where} AND row {sign} ? ORDER BY row {order} LIMIT 1",  # noqa: S608 - built from constants
                    (*values, row),
                ).fetchone()
                for sign, order in (("<", "DESC"), (">", "ASC"))
            )
        return (before[0] if before else None, after[0] if after else None)

    def lines(self, query: Query) -> Iterator[LedgerLine]:
        """Every matching line. Holds a thousand at a time."""
        for places in self._places(query):
            yield from self._read(places)

    def raw_lines(self, query: Query) -> Iterator[bytes]:
        """Every matching line as the ledger has it. Holds a thousand at a time."""
        for places in self._places(query):
            yield b"".join(line for _, line in self._read_raw(places))

    def _places(self, query: Query) -> Iterator[Sequence[tuple[int, int, int]]]:
        last = 0
        where, values = _where(query)
        while True:
            with self._connection() as connection:
                rows = connection.execute(
                    f"SELECT row, start, length FROM pictures {where} AND row > ? ORDER BY row LIMIT 1000",  # noqa: S608 - built from constants
                    (*values, last),
                ).fetchall()
            if not rows:
                return
            yield rows
            last = rows[-1][0]

    def _total(self, connection: sqlite3.Connection, query: Query, where: str, values: Sequence[Any]) -> int:
        if query.run_id is not None and not query.text:
            wanted = self.counts(query.run_id)
            return sum(
                number
                for (outcome, kind), number in wanted.items()
                if query.outcome in ("", outcome) and query.kind in ("", kind)
            )
        matches = f"SELECT 1 FROM pictures {where} LIMIT {MAX_FOUND + 1}"  # noqa: S608 - built from constants
        counted = connection.execute(f"SELECT count(*) FROM ({matches})", values).fetchone()  # noqa: S608 - same
        return int(counted[0])

    def _read(self, places: Sequence[tuple[int, int, int]]) -> Iterator[LedgerLine]:
        for row, line in self._read_raw(places):
            yield LedgerLine(row, {**_BLANK, **orjson.loads(line)})

    def _read_raw(self, places: Sequence[tuple[int, int, int]]) -> Iterator[tuple[int, bytes]]:
        if not places:
            return
        with self._ledger.open("rb") as stream:
            for row, start, length in places:
                stream.seek(start)
                yield row, stream.read(length)

    def _finish(self) -> None:
        with self._following:
            while not self._take_in_until(time.monotonic() + 5.0):
                pass

    def _take_in_until(self, deadline_s: float) -> bool:
        """Whether the index has caught up. Another process that is at it right now counts as caught up."""
        while True:
            try:
                read_bytes = self._take_in_chunk()
            except (sqlite3.OperationalError, FileNotFoundError):
                return True
            if read_bytes == 0:
                return True
            if time.monotonic() > deadline_s:
                return False

    def _take_in_chunk(self) -> int:
        with self._connection() as connection, connection:
            connection.execute("BEGIN IMMEDIATE")
            start = _prepared_start(connection, self._ledger)
            with self._ledger.open("rb") as stream:
                stream.seek(start)
                chunk = stream.read(_CHUNK_BYTES)
            whole = chunk[: chunk.rfind(b"\n") + 1]  # the last line may still be on its way
            _take_in(connection, whole, start)
            connection.execute("REPLACE INTO facts VALUES ('known_bytes', ?)", (start + len(whole),))
            return len(whole)

    def _share_known(self) -> float:
        try:
            size_bytes = self._ledger.stat().st_size
            with self._connection() as connection:
                known = connection.execute("SELECT value FROM facts WHERE name = 'known_bytes'").fetchone()
        except (OSError, sqlite3.OperationalError):
            return 1.0
        return min(1.0, (known[0] if known else 0) / size_bytes) if size_bytes else 1.0

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        self._database.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(self._database, timeout=2.0, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = OFF")  # it can be made again
            connection.executescript(_SCHEMA)
            yield connection


def _where(query: Query) -> tuple[str, tuple[Any, ...]]:
    parts, values = ["WHERE 1"], []
    if query.run_id is not None:
        parts.append("run = (SELECT id FROM runs WHERE run_id = ?)")
        values.append(query.run_id)
    for column, value in (("outcome", query.outcome), ("kind", query.kind)):
        if value:
            parts.append(f"{column} = ?")
            values.append(value)
    if query.text:
        parts.append(r"path LIKE ? ESCAPE '\'")
        escaped = query.text.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
        values.append(f"%{escaped}%")
    return " AND ".join(parts), tuple(values)


def _prepared_start(connection: sqlite3.Connection, ledger: Path) -> int:
    """Where to go on. An index of another file (the output was made anew) is emptied first."""
    status = ledger.stat()
    with ledger.open("rb") as stream:
        head = hashlib.sha256(stream.readline(4096)).hexdigest()
    identity = f"{_LAYOUT} {status.st_dev} {status.st_ino} {head}"
    facts = dict(connection.execute("SELECT name, value FROM facts"))
    if facts.get("identity") == identity and facts.get("known_bytes", 0) <= status.st_size:
        return int(facts.get("known_bytes", 0))
    for table in ("pictures", "counts", "runs", "facts"):
        connection.execute(f"DELETE FROM {table}")  # noqa: S608 - constants
    connection.execute("INSERT INTO facts VALUES ('identity', ?)", (identity,))
    return 0


def _take_in(connection: sqlite3.Connection, chunk: bytes, start: int) -> None:
    runs: dict[str, int] = {run_id: number for number, run_id in connection.execute("SELECT id, run_id FROM runs")}
    counted: Counter[tuple[int, str, str]] = Counter()
    rows = []
    for line in chunk.splitlines(keepends=True):
        found = _parse(line)
        if found is not None:
            run_id, outcome, kind, path = found
            run = runs.setdefault(run_id, len(runs) + 1)
            counted[run, outcome, kind] += 1
            rows.append((run, outcome, kind, path, start, len(line)))
        start += len(line)
    connection.executemany("INSERT OR IGNORE INTO runs VALUES (?, ?)", [(n, run_id) for run_id, n in runs.items()])
    connection.executemany(
        "INSERT INTO pictures (run, outcome, kind, path, start, length) VALUES (?, ?, ?, ?, ?, ?)", rows
    )
    connection.executemany(
        "INSERT INTO counts VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET number = number + excluded.number",
        [(*key, number) for key, number in counted.items()],
    )


def _parse(line: bytes) -> tuple[str, str, str, str] | None:
    try:
        record = orjson.loads(line)
        return str(record["run_id"]), str(record["outcome"]), str(record.get("kind") or ""), str(record["input"])
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return None  # cut short by a kill, or a heading: no picture
