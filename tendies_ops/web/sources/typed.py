"""
Values of the right type from files that anyone who may write results may have written.

Ledgers, reports and progress are JSON: each value may be of any type and size. What has the wrong type counts as not
recorded, here and nowhere else, so that the pages may rely on types.
"""

from __future__ import annotations

import binascii
import math
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import orjson
import pybase64

LONGEST_RUN_S = 366 * 86400.0  #: of a run that can be believed
_MAX_FILE_BYTES = 8 << 20
_LARGEST = 1e18  # beyond it nothing is a count, a time in nanoseconds or a size


def is_number(value: object) -> bool:
    """Return True for a finite number of a size that can be shown."""
    is_one = isinstance(value, int | float) and not isinstance(value, bool)
    return is_one and math.isfinite(value) and abs(value) <= _LARGEST  # type: ignore[arg-type]


def is_whole(value: object) -> bool:
    """Return True for an integer."""
    return isinstance(value, int) and is_number(value)


def is_text(value: object) -> bool:
    """Return True for a string."""
    return isinstance(value, str)


def is_encoded_path(value: object) -> bool:
    """Return True for the base64 form of a path, see :func:`.ledger.exact_path`."""
    try:
        return isinstance(value, str) and bool(pybase64.b64decode(value))
    except (ValueError, binascii.Error):
        return False


def is_parameters(value: object) -> bool:
    """Return True for values by name."""
    return isinstance(value, dict)  # of JSON, so the names are strings


_Rules = Mapping[str, Callable[[object], bool]]
_RECORD: _Rules = {
    **dict.fromkeys(("run_id", "outcome", "input", "output", "kind", "reason", "model_name"), is_text),
    **dict.fromkeys(("input_digest", "output_digest", "model_digest", "options_digest"), is_text),
    **dict.fromkeys(("input_b64", "output_b64"), is_encoded_path),
    **dict.fromkeys(("version", "size_bytes", "batch_size", "output_modified_ns"), is_whole),
    "milliseconds": is_number,
    "parameters": is_parameters,
}
_FACTS: _Rules = {
    **dict.fromkeys(
        ("input", "output", "message", "started_at", "run_id", "model_name", "state", "started_by"), is_text
    ),
    **dict.fromkeys(("done", "skipped", "failed", "total", "found", "elapsed_s"), is_number),
    **dict.fromkeys(("images_per_second", "eta_s"), is_number),
    "version": is_whole,
    "parameters": is_parameters,
}


def typed_record(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a line of a ledger; a value that is absent or of a wrong type is None."""
    return {**dict.fromkeys(_RECORD), **_kept(record, _RECORD)}


def read_facts(path: Path) -> dict[str, Any]:
    """
    Read a report or a progress file; empty when it does not hold one object.

    :raises OSError: it cannot be read.
    """
    facts = read_json(path)
    return _kept(facts, _FACTS) if isinstance(facts, dict) else {}


def read_json(path: Path) -> Any:
    """
    Read a small JSON file; None when it is not JSON or larger than 8 MiB.

    :raises OSError: it cannot be read.
    """
    with path.open("rb") as stream:
        data = stream.read(_MAX_FILE_BYTES + 1)
    try:
        return orjson.loads(data) if len(data) <= _MAX_FILE_BYTES else None
    except orjson.JSONDecodeError:
        return None


def parse_time(value: object) -> datetime | None:
    """Read an ISO 8601 time; without a zone it is UTC. None for anything else."""
    try:
        moment = datetime.fromisoformat(str(value).replace("Z", "+00:00"))
        return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).astimezone(timezone.utc)
    except (ValueError, OverflowError):
        return None


def points(value: object) -> tuple[tuple[float, float], ...]:
    """Return pairs of finite numbers; empty when ``value`` is not a list of them."""
    pairs = value if isinstance(value, list) else []
    if not all(isinstance(pair, list) and len(pair) == 2 and all(map(is_number, pair)) for pair in pairs):
        return ()
    return tuple((float(x), float(y)) for x, y in pairs)


def _kept(values: Mapping[str, Any], rules: _Rules) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in rules or rules[name](value)}
