"""
The ledger: one line for each attempt at a picture, appended when its output is in place, never changed.

Of several lines about the same input the last one counts. The last line of a file may be incomplete after a kill; it is
ended before more is written, and skipped by every reader.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pybase64

from tendies_ops.errors import OutputFolderError
from tendies_ops.inference.ledger.outcomes import Outcome

STATE_FOLDER = ".tendies"
LEDGER_NAME = "ledger.jsonl"
SHARD_LEDGERS = "ledger.shard-*.jsonl"  #: of shards, until they are appended to the common one
_LONGEST_LINE_BYTES = 1 << 16
_OUTCOMES = frozenset({"done", "skipped", "failed"})
_ENCODED = frozenset({"output_b64", "further_outputs", "further_outputs_b64"})
_TEXTS = ("input_digest", "output_digest", "kind", "reason", "model_digest", "options_digest")
_NUMBERS = ("size_bytes", "modified_ns", "version", "attempt")
_NUMBERS_OF_OUTPUTS = ("output_modified_ns", "output_size_bytes")


@dataclass(frozen=True)
class RunStamp:
    """The common facts of all records of a run."""

    run_id: str
    model_name: str
    version: int
    model_digest: str | None  #: None if the version directory is not visible
    options_digest: str
    input_folder: str = ""  #: if it is not the first one of this output


def make_record(outcome: Outcome, stamp: RunStamp, attempt: int) -> dict[str, Any]:
    """Return the ledger's record of one outcome."""
    record: dict[str, Any] = {
        "input": outcome.found.path,
        "input_digest": outcome.input_digest or None,
        "size_bytes": outcome.found.size_bytes,
        "modified_ns": outcome.found.modified_ns,
        "outcome": outcome.outcome,
        "kind": outcome.kind,
        "reason": outcome.reason or None,
        "output": outcome.output or None,
        "output_digest": outcome.output_digest or None,
        "output_size_bytes": outcome.output_size_bytes or None,
        "output_modified_ns": outcome.output_modified_ns or None,
        "model_name": stamp.model_name,
        "version": stamp.version,
        "model_digest": stamp.model_digest,
        "options_digest": stamp.options_digest,
        "attempt": attempt,
        "milliseconds": round(outcome.milliseconds, 3),
        "batch_size": outcome.batch_size,
        "run_id": stamp.run_id,
    }
    if outcome.further_outputs:
        record["further_outputs"] = list(outcome.further_outputs)
    if outcome.parameters:
        record["parameters"] = dict(outcome.parameters)
    if outcome.note:
        record["note"] = outcome.note
    if stamp.input_folder:
        record["input_folder"] = stamp.input_folder
    return record


def encode_record(record: dict[str, Any]) -> bytes:
    """Return one line. Names that are not UTF-8 are kept exactly, in addition to a readable form."""
    try:
        return orjson.dumps(record) + b"\n"
    except TypeError:
        return orjson.dumps(_with_readable_names(record)) + b"\n"


def exact_path(record: dict[str, Any], key: str) -> str | None:
    """Return the ``input`` or ``output`` of a record, undecodable bytes as surrogates."""
    exact = record.get(f"{key}_b64")
    if exact is None:
        path: str | None = record.get(key)
        return path
    return os.fsdecode(pybase64.b64decode(exact))


def exact_outputs(record: dict[str, Any]) -> tuple[str, ...]:
    """Return all files of a result, undecodable bytes as surrogates, the main one first."""
    further = record.get("further_outputs_b64")
    exact = (
        [os.fsdecode(pybase64.b64decode(path)) for path in further] if further else record.get("further_outputs", ())
    )
    output = exact_path(record, "output")
    return tuple(map(os.fspath, (output, *exact))) if output else ()


def read_record(line: bytes) -> dict[str, Any] | None:
    """Return the record of a line; None if it is incomplete, damaged, or another program's."""
    try:
        record: dict[str, Any] = orjson.loads(line)
        exact_path(record, "input")
        return record if _is_record(record) else None
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def _is_record(record: dict[str, Any]) -> bool:
    """Return True if a record has all that a later run needs, with the right types."""
    if not _ENCODED.isdisjoint(record):
        exact_outputs(record)
    for name in _TEXTS:
        if not isinstance(record[name] or "", str):
            return False
    for name in _NUMBERS:
        if not isinstance(record.get(name), int):
            return False
    for name in _NUMBERS_OF_OUTPUTS:
        if not isinstance(record.get(name) or 0, int):
            return False
    return (
        record.get("outcome") in _OUTCOMES
        and isinstance(record.get("output") or "", str)
        and isinstance(record.get("model_name"), str)
        and isinstance(record.get("input_folder", ""), str)
        and isinstance(record.get("parameters", {}), dict)
    )


def _with_readable_names(record: dict[str, Any]) -> dict[str, Any]:
    readable = dict(record)
    for key in ("input", "output", "reason"):
        value = record.get(key)
        if isinstance(value, str) and not value.isascii():
            raw = os.fsencode(value)
            readable[key] = raw.decode("utf-8", "replace")
            if key != "reason":
                readable[f"{key}_b64"] = pybase64.b64encode(raw).decode()
    if further := [os.fsencode(path) for path in record.get("further_outputs", ())]:
        readable["further_outputs"] = [raw.decode("utf-8", "replace") for raw in further]
        readable["further_outputs_b64"] = [pybase64.b64encode(raw).decode() for raw in further]
    return readable


class Ledger:
    """
    An open ledger file with an index of its records.

    :param path: of the file; created if it is missing.
    :raises OutputFolderError: it cannot be read or written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
            self._newest = self._read_index()
        except OSError as error:
            raise OutputFolderError(f"The ledger {path} cannot be opened: {error.strerror}.") from error

    def __len__(self) -> int:
        return len(self._newest)

    def close(self) -> None:
        """
        Sync and close the file.

        :raises OutputFolderError: the disk reports an error.
        """
        try:
            os.fsync(self._descriptor)
        except OSError as error:
            raise OutputFolderError(f"The ledger {self._path} cannot be synced: {error.strerror}.") from error
        finally:
            os.close(self._descriptor)

    def newest(self, path: str) -> dict[str, Any] | None:
        """Return the last record of an input."""
        at = self._newest.get(hash(path))
        if at is None:
            return None
        line = os.pread(self._descriptor, 2048, at)
        while (end := line.find(b"\n")) < 0 and len(line) < _LONGEST_LINE_BYTES:
            line = os.pread(self._descriptor, 2 * len(line), at)
        record = read_record(line[:end])
        return record if record is not None and exact_path(record, "input") == path else None

    def append(self, records: Iterable[dict[str, Any]]) -> None:
        """
        Append whole lines in one write.

        :raises OutputFolderError: the disk is full.
        """
        lines = b"".join(map(encode_record, records))
        try:
            written = os.write(self._descriptor, lines)
        except OSError as error:
            raise OutputFolderError(f"The ledger {self._path} cannot be written: {error.strerror}.") from error
        if written != len(lines):
            raise OutputFolderError(f"The ledger {self._path} cannot be written: no space is left on the device.")

    def _read_index(self) -> dict[int, int]:
        """
        Return the offset of the last line of each input.

        The index has two numbers for each picture: a ledger of a million pictures is half a gigabyte.
        """
        newest: dict[int, int] = {}
        at, line = 0, b"\n"
        with self._path.open("rb") as stream:
            for line in stream:
                with contextlib.suppress(ValueError, AttributeError, TypeError):  # incomplete, or not a record
                    newest[hash(exact_path(orjson.loads(line), "input"))] = at
                at += len(line)
        if not line.endswith(b"\n"):
            os.write(self._descriptor, b"\n")
        return newest
