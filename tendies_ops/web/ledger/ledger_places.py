"""Queries to the index of a ledger: the lines that match, and their places in the file."""

from __future__ import annotations

import sqlite3
from array import array
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True)
class Query:
    """A selection of lines."""

    run_ids: tuple[str, ...] | None = None  #: absent: of every run
    outcome: str = ""
    kind: str = ""
    text: str = ""  #: anywhere in the picture's path, whatever the case
    parameter: str = ""  #: ``name=JSON``: pictures that were made with this value

    def where(self) -> tuple[str, tuple[str, ...]]:
        """For SQL; the text is not part of it."""
        given = {column: value for column, value in (("outcome", self.outcome), ("kind", self.kind)) if value}
        words = [f"{column} = ?" for column in given]
        if self.run_ids is not None:
            words.append(f"run_id IN ({', '.join('?' * len(self.run_ids))})")
        if self.parameter:
            words.append("instr(parameters, ?) > 0")
        values = (*given.values(), *(self.run_ids or ()), *([f"\n{self.parameter}\n"] if self.parameter else []))
        return " AND ".join(["1", *words]), values


class Place(NamedTuple):
    """The place of one line."""

    row: int  #: counts from 1 over all runs of the ledger
    start: int  #: in bytes
    length: int


def slice_of(connection: sqlite3.Connection, query: Query, offset: int, limit: int) -> tuple[int, list[Place]]:
    """Return how many lines match, and some of them: only the chunks that hold these are read."""
    where, values = query.where()
    sql = f"SELECT chunk, sum(number) FROM parts WHERE {where} GROUP BY chunk ORDER BY chunk"  # noqa: S608 - constants
    total, places = 0, []
    for chunk, number in connection.execute(sql, values).fetchall():
        first, last = max(offset - total, 0), min(offset + limit - total, number)
        if first < last:
            places += _places(connection, chunk, query)[first:last]
        total += number
    return total, places


def place_of(connection: sqlite3.Connection, row: int) -> Place | None:
    """Return the place of the line with that number. Its chunk has thousands of others, none of which is unpacked."""
    sql = "SELECT numbers, starts, lengths FROM parts WHERE chunk = ?"
    for blobs in connection.execute(sql, (chunk_of(connection, row),)):
        numbers, starts, lengths = (memoryview(blob).cast("q") for blob in blobs)
        at = bisect_left(numbers, row)
        if at < len(numbers) and numbers[at] == row:
            return Place(row, starts[at], lengths[at])
    return None


def matches(
    connection: sqlite3.Connection, query: Query, *, start: int | None = None, backwards: bool = False
) -> Iterator[Place]:
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


def newest_of(connection: sqlite3.Connection, names: set[str]) -> Iterator[Place]:
    """Yield the newest line of each of some paths, which are in lower case."""
    wanted = set(names)
    chunks = connection.execute("SELECT DISTINCT chunk FROM parts ORDER BY chunk DESC").fetchall()
    for (chunk,) in chunks if wanted else ():
        found: dict[str, Place] = {}
        sql = "SELECT numbers, starts, lengths, names FROM parts WHERE chunk = ?"
        for *blobs, text in connection.execute(sql, (chunk,)):
            columns = [array("q", blob) for blob in blobs]
            for at, name in enumerate(text.decode("utf-8", "replace").split("\n")):
                place = Place(*(column[at] for column in columns)) if name in wanted else None
                if place is not None and (name not in found or found[name] < place):
                    found[name] = place
        yield from found.values()
        wanted -= found.keys()
        if not wanted:
            return


def _places(connection: sqlite3.Connection, chunk: int, query: Query) -> list[Place]:
    """Return the matching lines of one chunk, in order."""
    where, values = query.where()
    columns = "numbers, starts, lengths" + (", names" if query.text else "")
    sql = f"SELECT {columns} FROM parts WHERE chunk = ? AND {where}"  # noqa: S608 - constants
    found: list[Place] = []
    for numbers, starts, lengths, *names in connection.execute(sql, (chunk, *values)):
        columns_of = tuple(array("q", blob) for blob in (numbers, starts, lengths))
        wanted = _holding(names[0], query.text) if query.text else range(len(columns_of[0]))
        found += [Place(columns_of[0][at], columns_of[1][at], columns_of[2][at]) for at in wanted]
    return sorted(found)


def _holding(names: bytes, text: str) -> Iterator[int]:
    """Return which of the names, one a line, hold the text."""
    needle = text.lower().replace("\n", " ").encode("utf-8", "replace")
    line, counted_to, at = 0, 0, names.find(needle)
    while at >= 0:
        line += names.count(b"\n", counted_to, at)
        yield line
        counted_to = names.find(b"\n", at)
        if counted_to < 0:
            return
        at = names.find(needle, counted_to)


def chunk_of(connection: sqlite3.Connection, row: int) -> int:
    """Return the chunk of the line with that number; 0, which no chunk has, if there is no such line."""
    found = connection.execute("SELECT chunk FROM chunks WHERE first_row <= ? AND ? < next_row", (row, row)).fetchone()
    return int(found[0]) if found else 0
