"""
Values that files of the input give to its pictures.

``params.csv`` or ``params.jsonl`` at the top has a line for each path or pattern; ``beach.params.yaml`` (or
``.params.json``) next to ``beach.jpg`` has those of this picture.
"""

from __future__ import annotations

import contextlib
import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import orjson
import yaml

from tendies_ops.errors import InputFolderError, UsageError
from tendies_ops.inference.ledger.outcomes import Found, PictureError
from tendies_ops.inference.listing.patterns import PathFilter
from tendies_ops.inference.storage.local import Input

_TABLES = ("params.csv", "params.jsonl")
_SIDECARS = ("*.params.yaml", "*.params.yml", "*.params.json")
_SIDECAR_ENDS = re.compile(r"\.params\.(?:yaml|yml|json)\Z")
_PATTERN = re.compile(r"[*?\[]")
_PATH = "path"
_MOST_SIDECARS = 100_000
_MOST_BYTES = {"table": 64 << 20, "sidecar": 1 << 16}
_READERS = 16  # of a storage where reading is mostly waiting


@dataclass(frozen=True, slots=True)
class TableLine:
    """One line of a table."""

    path: str  #: or a pattern of paths
    values: Mapping[str, Any]
    place: str  #: file and line


class ParameterFiles:
    """
    Parameters that the files of an input give to its pictures.

    :param lines: of its tables, in order.
    :param sidecars: path of a picture without its extension -> path and content of its sidecar.
    """

    def __init__(
        self, lines: Sequence[TableLine] = (), sidecars: Mapping[str, tuple[str, bytes | OSError]] | None = None
    ) -> None:
        self.lines, self._sidecars = tuple(lines), sidecars or {}
        self._exact = {line.path: line.values for line in lines if not _PATTERN.search(line.path)}
        self._patterns = [
            (PathFilter((line.path,), include_hidden=True), line.values) for line in lines if _PATTERN.search(line.path)
        ]

    def __bool__(self) -> bool:
        return bool(self.lines or self._sidecars)

    def examples(self) -> Iterator[Mapping[str, Any]]:
        """Yield the values of each line, then those of each sidecar that can be read."""
        yield from (line.values for line in self.lines)
        for sidecar in self._sidecars.values():
            with contextlib.suppress(PictureError):
                yield _read_sidecar(*sidecar)

    def values_for(self, path: str) -> Mapping[str, Any]:
        """
        Return the values for one picture: of its sidecar, over those of its own line, over those of patterns.

        :raises PictureError: its sidecar cannot be read.
        """
        values: dict[str, Any] = {}
        for pattern, more in self._patterns:
            if pattern.takes(path):
                values |= more
        values |= self._exact.get(path, {})
        sidecar = self._sidecars.get(_without_extension(path)) if self._sidecars else None
        return values | _read_sidecar(*sidecar) if sidecar else values


def find_parameter_files(source: Input, output: str) -> ParameterFiles:
    """
    Read the tables and sidecars of an input.

    :param output: a folder that is not looked into.
    :raises UsageError: a table cannot be read, or there are too many sidecars.
    """
    found = list(source.find(PathFilter((*_TABLES, *_SIDECARS)), leave_out=output))
    sidecars = [one for one in found if _SIDECAR_ENDS.search(one.path)]
    if len(sidecars) > _MOST_SIDECARS:
        raise UsageError(
            f"The input has {len(sidecars):,} files such as {sidecars[0].path}; {_MOST_SIDECARS:,} are read. "
            f"Use one {_TABLES[0]} at the top of the input."
        )
    lines = [line for one in found if one.path in _TABLES for line in _read_table(one, source)]
    return ParameterFiles(lines, dict(_read_all(sidecars, source)))


def _read_all(sidecars: Sequence[Found], source: Input) -> Iterator[tuple[str, tuple[str, bytes | OSError]]]:
    def read(one: Found) -> tuple[str, tuple[str, bytes | OSError]]:
        try:
            data: bytes | OSError = _read(one, source, "sidecar")
        except OSError as error:
            data = error
        return _SIDECAR_ENDS.sub("", one.path), (one.path, data)

    with ThreadPoolExecutor(_READERS if source.is_far else 1) as readers:
        yield from readers.map(read, sidecars)


def _read(one: Found, source: Input, kind: str) -> bytes:
    if one.problem:
        raise OSError(one.problem)
    if one.size_bytes > _MOST_BYTES[kind]:
        raise OSError(f"it has {one.size_bytes:,} bytes; the limit is {_MOST_BYTES[kind]:,}")
    return source.read(one.path)


def _read_sidecar(path: str, data: bytes | OSError) -> dict[str, Any]:
    if isinstance(data, OSError):
        raise PictureError("unreadable", f"its parameters in {path} cannot be read: {data.strerror or data}")
    try:
        values = orjson.loads(orjson.dumps(yaml.safe_load(data), option=orjson.OPT_NON_STR_KEYS))  # dates become texts
    except (yaml.YAMLError, TypeError, ValueError, RecursionError) as error:
        raise PictureError("unreadable", f"{path} is not YAML: {' '.join(str(error).split())[:200]}") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise PictureError("unsupported", f"{path} must hold NAME: VALUE lines; found a {type(values).__name__}")
    return values


def _read_table(one: Found, source: Input) -> Iterator[TableLine]:
    try:
        text = _read(one, source, "table").decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputFolderError(f"{one.path} of the input cannot be read: {error}.") from error
    read: Callable[[str, str], Iterator[TableLine]] = _read_csv if one.path.endswith(".csv") else _read_json_lines
    yield from read(one.path, text)


def _read_csv(name: str, text: str) -> Iterator[TableLine]:
    rows = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        if _PATH not in (rows.fieldnames or ()):
            raise UsageError(f"{name} needs a column `{_PATH}`; its columns are {', '.join(rows.fieldnames or ())}.")
        for row in rows:
            place = f"{name}, line {rows.line_num}"
            if None in row:
                raise UsageError(f"{place}: it has more values than the header has columns.")
            cells = {column: _cell(cell) for column, cell in row.items() if column != _PATH and cell}
            yield TableLine(row[_PATH], cells, place)
    except csv.Error as error:
        raise UsageError(f"{name}, line {rows.line_num}: it is not CSV ({error}).") from error


def _cell(cell: str) -> Any:
    """Return a number, list or truth value as JSON writes it, else the text."""
    try:
        return orjson.loads(cell)
    except orjson.JSONDecodeError:
        return cell.strip()


def _read_json_lines(name: str, text: str) -> Iterator[TableLine]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        place = f"{name}, line {number}"
        try:
            values = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise UsageError(f"{place}: it is not JSON ({error}).") from error
        if not (isinstance(values, dict) and isinstance(values.get(_PATH), str)):
            raise UsageError(f'{place}: it must be an object with a `{_PATH}`, such as {{"{_PATH}": "a.jpg", ...}}.')
        yield TableLine(values.pop(_PATH), values, place)


def _without_extension(path: str) -> str:
    folder, slash, name = path.rpartition("/")
    return folder + slash + (name.rpartition(".")[0] or name)
