"""The history of a base path, ``.tendies/history.jsonl``: all that was published, released, withdrawn and removed."""

from __future__ import annotations

import json
import os
import socket
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal, get_args

from tendies_ops.errors import BasePathError
from tendies_ops.publish.layout import STATE_DIRECTORY, state_directory
from tendies_ops.publish.owner import user_name

Event = Literal["published", "released", "rolled_back", "withdrawn", "restored", "removed", "rejected", "failed"]
_NAME = "history.jsonl"


def who_am_i() -> str:
    """Return user and host of this process."""
    return f"{user_name()}@{socket.gethostname()}"


@dataclass(frozen=True)
class HistoryRecord:
    """One line of the history."""

    event: Event
    version: int
    reason: str = ""
    model_name: str = ""
    model_digest: str = ""
    checkpoint: str = ""
    checkpoint_step: int | None = None
    servers: tuple[str, ...] = ()
    request: str = ""  #: id of the request, such as a task's run: the same request again is not a second rollback
    model_config_file: str = ""  #: of a release or rollback by labels; empty: by the directory
    at: str = field(default_factory=lambda: datetime.now(timezone.utc).isoformat(timespec="milliseconds"))
    who: str = field(default_factory=who_am_i)

    def to_json(self) -> dict[str, Any]:
        """Return the record as JSON."""
        return asdict(self)


def append_history(model_base_path: Path, record: HistoryRecord) -> None:
    """Add one line, synced. An incomplete last line is ended first, so that only that one is lost."""
    line = json.dumps(record.to_json(), ensure_ascii=False) + "\n"
    path = state_directory(model_base_path) / _NAME
    with path.open("a+b") as stream:
        size_bytes = stream.seek(0, os.SEEK_END)
        if size_bytes:
            stream.seek(size_bytes - 1)
            line = line if stream.read(1) == b"\n" else "\n" + line
        stream.write(line.encode(errors="backslashreplace"))  # of a name that is not UTF-8
        stream.flush()
        os.fsync(stream.fileno())


def read_history(model_base_path: Path) -> list[HistoryRecord]:
    """
    Return every whole line, oldest first. Lines of a newer tendies with unknown events are skipped.

    :raises BasePathError: it exists and cannot be read. That never counts as "no history".
    """
    path = model_base_path / STATE_DIRECTORY / _NAME
    try:
        # At "\n" only: a reason may hold other ends of lines, such as U+2028, which JSON leaves as they are.
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise BasePathError(f"The history {path} cannot be read: {error.strerror}.") from error
    return [record for line in lines if (record := _parse(line)) is not None]


def was_released(model_base_path: Path, version: int) -> bool:
    """Return True if a release or rollback has put ``version`` into service."""
    return any(
        record.version == version and record.event in {"released", "rolled_back"}
        for record in read_history(model_base_path)
    )


def versions_ever(model_base_path: Path) -> set[int]:
    """Return every number in the history: none of them is used again."""
    return {record.version for record in read_history(model_base_path)}


def _parse(line: str) -> HistoryRecord | None:
    try:
        data = json.loads(line)
        known = {name: data[name] for name in HistoryRecord.__dataclass_fields__ if name in data}
        known["servers"] = tuple(known.get("servers", ()))
        record = HistoryRecord(**known)
    except (TypeError, ValueError, KeyError):
        return None
    return record if record.event in get_args(Event) and isinstance(record.version, int) else None
