"""
The numbers of a run in one table: ``scores.csv``, and ``scores.parquet`` if pyarrow is installed.

There is a row for each picture that is done, in this run or before. Its numbers are read from its JSON result, so the
table is complete even after a kill, and needs no memory.
"""

from __future__ import annotations

import contextlib
import csv
import functools
import io
import itertools
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson

from tendies_ops.errors import OutputFolderError
from tendies_ops.inference.ledger.outcomes import Outcome
from tendies_ops.inference.results.outputs import Answers
from tendies_ops.inference.storage.local import Output

TABLE_NAME = "scores.csv"
_SCORES, _CLASSES = "scores", "classes"  # of `tendies export`; with several outputs `<name>_scores`, `<name>_classes`
_MOST_COLUMNS = 4096
_READ_TOGETHER = 64
_STARTS_OF_FORMULAS = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet evaluates these instead of showing them


class ResultList:
    """
    The pictures that have a JSON result, listed on disk during a run.

    :param folder: of the list.
    :raises OutputFolderError: it cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with self._told():
            self._lines = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 # closed with the list

    def add(self, outcome: Outcome) -> None:
        """
        Add a picture that has a result.

        :raises OutputFolderError: the disk is full.
        """
        path = next((path for path in outcome.outputs if path.endswith(".json")), None)
        if path is not None:
            names = [os.fsencode(name).hex() for name in (outcome.found.path, path)]
            with self._told():
                self._lines.write(orjson.dumps(names) + b"\n")

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """Yield each picture with its JSON file, in the order of :meth:`add`."""
        self._lines.seek(0)
        for line in self._lines:
            picture, path = (os.fsdecode(bytes.fromhex(name)) for name in orjson.loads(line))
            yield picture, path

    def close(self) -> None:
        """Remove the list."""
        with contextlib.suppress(OSError):
            self._lines.close()

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            words = f"{self._folder} cannot be written: {error.strerror}. Finished results are kept."
            raise OutputFolderError(words) from error


def write_table(results: Iterable[tuple[str, str]], output: Output, answers: Answers, path: Path) -> Path | None:
    """
    Write the table.

    :param results: picture and JSON file of each row.
    :param output: storage of the JSON files.
    :param path: of the CSV file.
    :return: ``path``; None if the answers have no number that fits into a column.
    """
    columns = {"input": None}
    with tempfile.TemporaryFile(dir=path.parent) as rows:  # the columns are known at the end
        for picture, outputs in _read_documents(results, output):
            name = os.fsencode(picture).decode("utf-8", "replace")
            numbers = {_as_text(column): _as_text(value) for column, value in _flattened(outputs, answers)}
            row = {**numbers, "input": _as_text(name)}
            columns |= dict.fromkeys(row)
            if len(columns) > _MOST_COLUMNS:
                return None
            rows.write(orjson.dumps(row) + b"\n")
        if len(columns) == 1:
            return None
        rows.seek(0)
        _write_rows(map(orjson.loads, rows), list(columns), path)
    return path


def _as_text(value: Any) -> Any:
    """Put an apostrophe before a text that a spreadsheet would take for a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_STARTS_OF_FORMULAS) else value


def _write_rows(rows: Iterable[dict[str, Any]], columns: Sequence[str], path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, columns)
        writer.writeheader()
        writer.writerows(rows)


def join_tables(tables: Iterable[bytes], path: Path) -> Path | None:
    """Join the tables of shards; None without tables."""
    all_of_them = [csv.DictReader(io.StringIO(table.decode("utf-8"), newline="")) for table in tables]
    if not all_of_them:
        return None
    columns = dict.fromkeys(itertools.chain.from_iterable(table.fieldnames or () for table in all_of_them))
    _write_rows(itertools.chain.from_iterable(all_of_them), list(columns), path)
    return path


def write_parquet(table: Path) -> Path | None:
    """Write the table as Parquet next to it; None if pyarrow is not installed."""
    try:
        from pyarrow import csv as arrow_csv
        from pyarrow import parquet
    except ImportError:
        return None
    path = table.with_suffix(".parquet")
    try:
        with arrow_csv.open_csv(table) as batches, parquet.ParquetWriter(path, batches.schema) as writer:
            for batch in batches:
                writer.write_batch(batch)
    except ValueError:  # a column with numbers first and texts later: the CSV file has it all
        path.unlink(missing_ok=True)
        return None
    return path


def describe_outputs(outputs: dict[str, Any]) -> str:
    """Return the numbers of one picture in a few short lines, best classes first."""
    lines = []
    for name, value in outputs.items():
        if name.endswith(_SCORES) and _is_flat(value):
            ranked = _ranked(value, outputs.get(_classes_of(name)))
            lines += [f"{label}  {'-' if score is None else f'{score:.3f}'}" for label, score in ranked[:5]]
        elif isinstance(value, int | float):
            lines.append(f"{name}  {value:.6g}")
        elif not name.endswith(_CLASSES):
            lines.append(f"{name}  {str(value)[:60]}")
    return "\n".join(lines)


def _read_documents(results: Iterable[tuple[str, str]], output: Output) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each picture with its outputs, read in parallel if the storage allows it."""
    left = iter(results)
    while block := list(itertools.islice(left, _READ_TOGETHER)):
        documents = output.map(functools.partial(_read_outputs, output.read), [name for _, name in block])
        yield from zip((picture for picture, _ in block), documents, strict=True)


def _read_outputs(read: Callable[[str], bytes], name: str) -> dict[str, Any]:
    try:
        outputs = orjson.loads(read(name)).get("outputs", {})
    except (OSError, ValueError, AttributeError):
        return {}  # it was moved in the meantime: the row only has the picture's name
    return outputs if isinstance(outputs, dict) else {}


def _flattened(outputs: dict[str, Any], answers: Answers) -> Iterator[tuple[str, Any]]:
    """Yield (column, value) of everything that is a number, a text or a list of them."""
    for name, value in outputs.items():
        if name.endswith(_SCORES) and _is_flat(value):
            yield from _flattened_scores(name.removesuffix(_SCORES), value, outputs.get(_classes_of(name)), answers)
        elif isinstance(value, int | float | str):
            yield name, value
        elif _is_flat(value) and not name.endswith(_CLASSES):
            yield from ((f"{name}_{index}", one) for index, one in enumerate(value))


def _is_flat(value: Any) -> bool:
    return isinstance(value, list) and not any(isinstance(one, list) for one in value)


def _flattened_scores(
    prefix: str, scores: list[float | None], classes: list[str] | None, answers: Answers
) -> Iterator[tuple[str, Any]]:
    ranked = _ranked(scores, classes)
    yield f"{prefix}class", ranked[0][0] if ranked else ""
    yield f"{prefix}score", ranked[0][1] if ranked else ""
    if classes is None or answers.fixed_classes:
        names = classes or [str(index) for index in range(len(scores))]
        yield from ((f"{prefix}score {name}", score) for name, score in zip(names, scores, strict=False))
        return
    for place, (label, score) in enumerate(ranked[1:], start=2):  # other classes for each picture, best first
        yield f"{prefix}class_{place}", label
        yield f"{prefix}score_{place}", score


def _ranked(scores: list[float | None], classes: list[str] | None) -> list[tuple[str, float | None]]:
    names = classes or [str(index) for index in range(len(scores))]
    return sorted(zip(names, scores, strict=False), key=lambda pair: -(pair[1] or 0.0))


def _classes_of(scores_name: str) -> str:
    return scores_name.removesuffix(_SCORES) + _CLASSES
