"""Pictures and the styles that a fan-out made of them, as a matrix."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from tendies_ops.inference.ledger.ledger import LEDGER_NAME, STATE_FOLDER
from tendies_ops.web.ledger.ledger_index import LedgerIndex, LedgerIndexes, LedgerLine
from tendies_ops.web.ledger.ledger_places import Query
from tendies_ops.web.run.find_runs import find_run
from tendies_ops.web.run.parameter_words import value_words
from tendies_ops.web.sources.known import KnownModel

ROWS_ON_PAGE, COLUMNS_ON_PAGE = 12, 12
_BUDGET_S = 2.0  # to look up the pictures of one page


@dataclass(frozen=True)
class Column:
    """One combination of parameters."""

    words: str
    cells: dict[str, LedgerLine]  #: path of a picture -> its newest line


@dataclass(frozen=True)
class Matrix:
    """A part of the matrix."""

    paths: tuple[str, ...]
    columns: tuple[Column, ...]
    total_rows: int
    total_columns: int

    def original(self, path: str) -> LedgerLine | None:
        """Return a line of a picture, whose run has the original."""
        return next((column.cells[path] for column in self.columns if path in column.cells), None)


@dataclass(frozen=True)
class Picked:
    """A cell that is compared with another one."""

    run_id: str
    line: LedgerLine
    words: str


def read_matrix(part: KnownModel, ledgers: LedgerIndexes, *, row_page: int, column_page: int) -> Matrix | None:
    """Return one page of the matrix of a batch; None if no fan-out wrote into its output."""
    folders = part.fan_out()
    if not folders:
        return None
    deadline_s = time.monotonic() + _BUDGET_S
    first = _index_of(folders[0], ledgers)
    page = first.page(Query(), offset=(row_page - 1) * ROWS_ON_PAGE, limit=ROWS_ON_PAGE)
    paths = tuple(dict.fromkeys(str(line.record["input"]) for line in page.lines))
    start = (column_page - 1) * COLUMNS_ON_PAGE
    columns = []
    for folder in folders[start : start + COLUMNS_ON_PAGE]:
        late = time.monotonic() > deadline_s
        columns.append(Column(_words(folder), {} if late else _index_of(folder, ledgers).newest_of(paths)))
    return Matrix(paths, tuple(columns), page.total, len(folders))


def find_picked(model: KnownModel, ledgers: LedgerIndexes, picks: list[str]) -> list[Picked]:
    """Return the first two of the cells ``<run id>/<row>`` that are there."""
    found = []
    for pick in picks[:2]:
        run_id, _, row = pick.partition("/")
        run = find_run(model, run_id) if row.isdecimal() and len(row) < 18 else None
        line = ledgers.of(run.ledger).line(int(row)) if run else None
        if run and line and line.record["run_id"] == run_id and line.has_picture:
            found.append(Picked(run_id, line, _folder_words(run.output.name, model)))
    return found


def _index_of(folder: KnownModel, ledgers: LedgerIndexes) -> LedgerIndex:
    assert folder.output is not None  # a fan-out is a folder on this machine
    index = ledgers.of(folder.output / STATE_FOLDER / LEDGER_NAME)
    index.follow()
    return index


def _words(folder: KnownModel) -> str:
    return _folder_words(folder.output.name if folder.output else "", folder)


def _folder_words(name: str, model: KnownModel) -> str:
    """Return ``style monet (9), strength 0.5`` of ``style=9,strength=0.5``."""
    pairs = [pair.partition("=") for pair in name.split(",")]
    words = [(key, value_words(key, _number_or_text(value), model.inputs)) for key, _, value in pairs]
    return ", ".join(f"{key} {value}" for key, value in words)


def _number_or_text(value: str) -> Any:
    return int(value) if value.isdecimal() and len(value) < 18 else value
