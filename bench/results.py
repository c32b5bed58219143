"""How a bench hands over what it measured: rows, each with the figure it is compared with, in one JSON file."""

from __future__ import annotations

import json
import math
import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
PUBLISHED = RESULTS.parent / "published"  #: committed: the figures that the documentation tells
_MISSES = 0.05  # how often an interval may not hold the true median
PACKAGES = ("tensorflow", "numpy", "requests", "pybase64", "orjson", "pillow", "apache-airflow")


@dataclass(frozen=True)
class Row:
    """
    One figure.

    :param what: what was measured, such as ``tendies serve, photo style 256x256``.
    :param value: the median of the rounds.
    :param unit: such as ``images/s``.
    :param compared_with: what stands in ``reference``, measured in the same rounds.
    :param ratio: ``value / reference``, the median of the rounds' ratios; None where there is nothing to compare.
    :param promise: what the project promises for the ratio, such as ``>= 0.98``, or with the unit for the value.
    """

    what: str
    value: float
    unit: str
    compared_with: str = ""
    reference: float | None = None
    ratio: float | None = None
    promise: str = ""
    more: dict[str, Any] | None = None

    @classmethod
    def of_rounds(cls, what: str, unit: str, rounds: Sequence[tuple[float, float]], **words: Any) -> Row:
        """
        Sum up rounds in which two took turns.

        :param rounds: of each round what was measured, and what its reference reached.
        :param words: ``compared_with``, ``promise``, ``more``.
        """
        return cls(
            what=what,
            value=statistics.median(value for value, _ in rounds),
            unit=unit,
            reference=statistics.median(reference for _, reference in rounds),
            ratio=statistics.median(value / reference for value, reference in rounds),
            **words,
        )


def median_interval(values: Sequence[float]) -> tuple[float, float]:
    """
    Between which values the true median lies in 95 of 100 cases: the sign test's interval, whatever the noise is like.

    :param values: at least one; the interval of fewer than six reaches from the least to the largest, and misses more.
    """
    ordered, count = sorted(values), len(values)
    outside, chance = 0, 2.0 / 2**count
    while chance <= _MISSES:
        outside += 1
        chance += 2.0 * math.comb(count, outside) / 2**count
    first = max(0, outside - 1)
    return ordered[first], ordered[-1 - first]


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
        "machine": describe_machine(),
        "rows": [asdict(row) for row in rows],
        **more,
    }
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return path


def merge_result(name: str, rows: Sequence[Row], **more: Any) -> Path:
    """Write these rows, and keep the others of the last result: for a bench that measures a part at a time."""
    path = RESULTS / f"{name}.json"
    measured = {(row.what, row.unit) for row in rows}
    before = read_rows(path) if path.is_file() else []
    return write_result(name, [*(row for row in before if (row.what, row.unit) not in measured), *rows], **more)


def describe_machine() -> dict[str, Any]:
    """Describe what the figures were measured on and with."""
    return {
        "cpu": _cpu_model(),
        "cpus": os.cpu_count(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "packages": {package: found for package in PACKAGES if (found := _version_of(package))},
    }


def _cpu_model() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.is_file() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())


def _version_of(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


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
