"""
From ledger to index: an SQLite file with the position of each line of the ledger and what it belongs to.

The ledger is taken in by chunks of a few megabytes. A chunk becomes one row for each (run, outcome, kind of failure,
parameters) in it, with the line numbers, places and paths of all its lines packed into four blobs. So a million lines
are some hundred rows, which are written in a second and searched at the speed of ``bytes.find``.
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
_LAYOUT = 5  # another value rebuilds every index
_MOST_COMBINATIONS = 200  # of parameters in a chunk, each with rows of its own
_LONGEST_PARAMETERS = 400
#: Parameters that are too many or too long for the index.
MANY = "*"
SCHEMA = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS chunks (
    chunk INTEGER PRIMARY KEY, start INTEGER, stop INTEGER, first_row INTEGER, next_row INTEGER
);
CREATE TABLE IF NOT EXISTS parts (
    chunk INTEGER, run_id TEXT, outcome TEXT, kind TEXT, parameters TEXT, number INTEGER,
    numbers BLOB, starts BLOB, lengths BLOB, names BLOB
);
CREATE INDEX IF NOT EXISTS parts_by_chunk ON parts (chunk);
CREATE INDEX IF NOT EXISTS parts_by_run ON parts (run_id, outcome, kind, chunk, number, parameters);
"""


@dataclass
class Part:
    """The lines of one chunk that belong to one run and have one outcome, kind and set of parameters."""

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
        if connection.execute("PRAGMA user_version").fetchone() != (_LAYOUT,):
            connection.executescript("".join(f"DROP TABLE IF EXISTS {name};" for name in ("facts", "chunks", "parts")))
            connection.execute(f"PRAGMA user_version = {_LAYOUT}")
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
    identity = f"{status.st_dev} {status.st_ino} {head}"
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
        "INSERT INTO parts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [(chunk, *key, *part.packed()) for key, part in parts.items()],
    )


_Key = tuple[str, str, str, str]  # run, outcome, kind of failure, parameters


def _split(data: bytes, start: int, row: int) -> tuple[dict[_Key, Part], int]:
    parts: dict[_Key, Part] = defaultdict(Part)
    combinations: set[str] = set()
    for line in data.splitlines(keepends=True):
        found = _parse(line)
        if found is not None:
            key = found[0]
            if key[3] not in combinations and len(combinations) >= _MOST_COMBINATIONS:
                key = (*key[:3], MANY)
            combinations.add(key[3])
            part = parts[key]
            part.numbers.append(row)
            part.starts.append(start)
            part.lengths.append(len(line))
            part.names.append(found[1])
            row += 1
        start += len(line)
    return parts, row


def _parse(line: bytes) -> tuple[_Key, str] | None:
    try:
        record = orjson.loads(line)
        parameters = _as_text(record.get("parameters"))
        key = (str(record["run_id"]), str(record["outcome"]), str(record.get("kind") or ""), parameters)
        return key, record["input"].lower().replace("\n", " ")
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return None  # cut short by a kill: no picture


def _as_text(parameters: object) -> str:
    """Return a line ``name=JSON`` for each parameter, between line feeds, so that SQL finds one of them by its text."""
    if not isinstance(parameters, dict) or not parameters:
        return ""
    lines = sorted(parameter_text(name, value) for name, value in parameters.items())
    text = "\n" + "\n".join(lines) + "\n"
    return text if len(text) <= _LONGEST_PARAMETERS else MANY


def parameter_text(name: object, value: object) -> str:
    """Return ``name=JSON``, as a filter of a gallery names one value."""
    return f"{name}={orjson.dumps(value).decode()}"


def main(ledger: str, database: str) -> None:
    """Index a whole ledger in a process of its own: ``python -m`` this module with ``LEDGER INDEX``."""
    os.nice(10)
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (_MAX_MEMORY_BYTES, hard))
    take_in_until(Path(ledger), Path(database), time.monotonic() + _LONGEST_S)


if __name__ == "__main__":
    main(*sys.argv[1:])
