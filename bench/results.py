"""How a bench hands over what it measured: rows, each with the figure it is compared with, in one JSON file."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Row:
    """
    One figure.

    :param what: what was measured, such as ``tendies serve, photo style 256x256``.
    :param value: the median of the rounds.
    :param unit: such as ``images/s``.
    :param compared_with: what stands in ``reference``, measured in the same rounds.
    :param ratio: ``value / reference``, the median of the rounds' ratios; None where there is nothing to compare.
    :param promise: what the project promises for the ratio, such as ``>= 0.98``.
    """

    what: str
    value: float
    unit: str
    compared_with: str = ""
    reference: float | None = None
    ratio: float | None = None
    promise: str = ""
    more: dict[str, Any] | None = None


def write_result(name: str, rows: Sequence[Row], **more: Any) -> Path:
    """
    Write ``bench/results/<name>.json``.

    :param name: of the bench module.
    :param more: anything else worth keeping, such as settings.
    """
    RESULTS.mkdir(exist_ok=True)
    result = {
        "name": name,
        "measured_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "machine": {"cpus": os.cpu_count(), "platform": platform.platform(), "python": platform.python_version()},
        "rows": [asdict(row) for row in rows],
        **more,
    }
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return path


def read_rows(path: Path) -> list[Row]:
    """Read back what :func:`write_result` wrote."""
    known = Row.__dataclass_fields__
    rows = json.loads(path.read_text(encoding="utf-8"))["rows"]
    return [Row(**{key: value for key, value in row.items() if key in known}) for row in rows]


def as_table(rows: Sequence[Row]) -> str:
    """Lay rows out as a Markdown table."""
    lines = ["| what | measured | compared with | ratio | promised |", "|---|---|---|---|---|"]
    for row in rows:
        compared = f"{row.compared_with} ({row.reference:,.4g})" if row.reference is not None else row.compared_with
        ratio = f"{row.ratio:.3f}" if row.ratio is not None else ""
        lines.append(f"| {row.what} | {row.value:,.4g} {row.unit} | {compared} | {ratio} | {row.promise} |")
    return "\n".join(lines)
