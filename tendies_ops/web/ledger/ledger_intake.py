"""
From ledger to index: an SQLite file with the position of each line of the ledger and what it belongs to.

The ledger is taken in by chunks of a few megabytes. A chunk becomes one row for each (run, outcome, kind of failure) in
it, with the line numbers, places and paths of all its lines packed into four blobs. So a million lines are some hundred
rows, which are written in a second and searched at the speed of ``bytes.find``.
"""

from __future__ import annotations

import hashlib
import os
import resource
import sqlite3
import sys
import time
from array import array
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import orjson

CHUNK_BYTES = 4 << 20
_LONGEST_LINE_BYTES = 1 << 20
_MAX_MEMORY_BYTES = 1 << 30  # of a process that takes in a whole ledger
_LONGEST_S = 600.0  # and its time; what is missing then is taken in from the next page on
_LAYOUT = "4"  # another value rebuilds every index
SCHEMA = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS chunks (
    chunk INTEGER PRIMARY KEY, start INTEGER, stop INTEGER, first_row INTEGER, next_row INTEGER
);
CREATE TABLE IF NOT EXISTS parts (
    chunk INTEGER, run_id TEXT, outcome TEXT, kind TEXT, number INTEGER,
    numbers BLOB, starts BLOB, lengths BLOB, names BLOB
);
CREATE INDEX IF NOT EXISTS parts_by_chunk ON parts (chunk);
CREATE INDEX IF NOT EXISTS parts_by_run ON parts (run_id, outcome, kind, chunk, number);
"""


@dataclass
class Part:
    """The lines of one chunk that belong to one run and have one outcome and kind."""

    numbers: array[int] = field(default_factory=lambda: array("q"))  #: which lines of the ledger, counted from 1
    starts: array[int] = field(default_factory=lambda: array("q"))  #: where they begin, in bytes
    lengths: array[int] = field(default_factory=lambda: array("q"))
    names: list[str] = field(default_factory=list)  #: paths in lower case, to be searched

    def packed(self) -> tuple[int, bytes, bytes, bytes, bytes]:
        """For the database."""
        names = "\n".join(self.names).encode("utf-8", "replace")
        return len(self.numbers), self.numbers.tobytes(), self.starts.tobytes(), self.lengths.tobytes(), names


@contextmanager
def open_index(database: Path) -> Iterator[sqlite3.Connection]:
    """Open the database of an index, which is made if it is not there."""
    database.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(database, timeout=2.0, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = OFF")  # it can be made again
        connection.executescript(SCHEMA)
        yield connection


def take_in_until(ledger: Path, database: Path, deadline_s: float) -> bool:
    """
    Take in a ledger by chunks until a moment of the monotonic clock.

    :return: True if the index has caught up. Another process that is at it right now counts as caught up.
    """
    while True:
        try:
            with open_index(database) as connection, connection:
                connection.execute("BEGIN IMMEDIATE")
                new_bytes = take_in_chunk(connection, ledger)
        except (sqlite3.OperationalError, FileNotFoundError):
            return True
        if new_bytes == 0:
            return True
        if time.monotonic() > deadline_s:
            return False


def take_in_chunk(connection: sqlite3.Connection, ledger: Path) -> int:
    """
    Take in the next few megabytes.

    A last chunk that was short is taken in again with what came after it, so that a ledger that grows by a line at a
    time does not become a million chunks. Call it in a transaction.

    :return: how many bytes are new; 0 when the index has caught up.
    :raises FileNotFoundError: there is no ledger yet.
    """
    forget_another_file(connection, ledger)
    last = connection.execute("SELECT * FROM chunks ORDER BY chunk DESC LIMIT 1").fetchone()
    chunk, start, known, row = (last[0], last[1], last[2], last[3]) if last else (1, 0, 0, 1)
    if known - start >= CHUNK_BYTES:
        chunk, start, row = chunk + 1, known, last[4]
    with ledger.open("rb") as stream:
        stream.seek(start)
        data = stream.read(CHUNK_BYTES + _LONGEST_LINE_BYTES)
    data = data[: data.rfind(b"\n") + 1]  # the last line may still be on its way
    stop = start + len(data)
    if stop > known:
        _write(connection, chunk, start, row, data)
    return stop - known


def forget_another_file(connection: sqlite3.Connection, ledger: Path) -> None:
    """Empty the index when the ledger is not the file that it was made from, or has become shorter."""
    status = ledger.stat()
    with ledger.open("rb") as stream:
        head = hashlib.sha256(stream.readline(4096)).hexdigest()
    identity = f"{_LAYOUT} {status.st_dev} {status.st_ino} {head}"
    known = connection.execute("SELECT value FROM facts WHERE name = 'identity'").fetchone()
    longest = connection.execute("SELECT max(stop) FROM chunks").fetchone()[0] or 0
    if known == (identity,) and longest <= status.st_size:
        return
    connection.execute("DELETE FROM parts")
    connection.execute("DELETE FROM chunks")
    connection.execute("REPLACE INTO facts VALUES ('identity', ?)", (identity,))


def _write(connection: sqlite3.Connection, chunk: int, start: int, row: int, data: bytes) -> None:
    parts, next_row = _split(data, start, row)
    connection.execute("DELETE FROM parts WHERE chunk = ?", (chunk,))
    connection.execute("REPLACE INTO chunks VALUES (?, ?, ?, ?, ?)", (chunk, start, start + len(data), row, next_row))
    connection.executemany(
        "INSERT INTO parts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [(chunk, *key, *part.packed()) for key, part in parts.items()],
    )


def _split(data: bytes, start: int, row: int) -> tuple[dict[tuple[str, str, str], Part], int]:
    parts: dict[tuple[str, str, str], Part] = defaultdict(Part)
    for line in data.splitlines(keepends=True):
        found = _parse(line)
        if found is not None:
            part = parts[found[0]]
            part.numbers.append(row)
            part.starts.append(start)
            part.lengths.append(len(line))
            part.names.append(found[1])
            row += 1
        start += len(line)
    return parts, row


def _parse(line: bytes) -> tuple[tuple[str, str, str], str] | None:
    try:
        record = orjson.loads(line)
        key = (str(record["run_id"]), str(record["outcome"]), str(record.get("kind") or ""))
        return key, record["input"].lower().replace("\n", " ")
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return None  # cut short by a kill: no picture


def main(ledger: str, database: str) -> None:
    """Index a whole ledger in a process of its own: ``python -m`` this module with ``LEDGER INDEX``."""
    os.nice(10)
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (_MAX_MEMORY_BYTES, hard))
    take_in_until(Path(ledger), Path(database), time.monotonic() + _LONGEST_S)


if __name__ == "__main__":
    main(*sys.argv[1:])
