"""The tables of ``docs/explanation/optimised-versions.md``: speed, size and price of variants, and thread settings."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from bench.charts import measured_on
from bench.results import PUBLISHED, Row, read_rows

SERVED = "float32 served"
FROZEN_SERVED = "as frozen, served"
_VARIANTS = (
    "network", "variant", "images/s", "over float32 in process", "over float32 served", "ms a request", "memory MB",
    "file MB", "PSNR dB", "SSIM", "max of 255",
)  # fmt: skip
_SIZES = {"milliseconds_a_request": 0, "memory_mb": 0, "file_mb": 2}
_RATIOS = ("what", "over float32 served", "lowest and highest round", "variant")
_FINELY = ("what", "over the graph as frozen", "the true median, 95 in 100", "by CPU time", "its true median", "pairs")
_OPERATIONS = ("network", "variant", "ms a picture", "over float32", "operations, as shares of the row's time")
_WHOLE = "the whole picture"
_THREADS = ("variant and load", "threads", "images/s", "over the server's defaults")


def optimised_versions(published: Path = PUBLISHED) -> str:
    """Lay out what variants bring and cost, and what threads do, as far as it is published."""
    parts = [_variants(path) for path in [published / "optimize.json"] if path.is_file()]
    parts += [_threads(path) for path in [published / "optimize_threads.json"] if path.is_file()]
    parts += [_operations(path) for path in [published / "operations.json"] if path.is_file()]
    return "\n\n".join(parts)


def _operations(path: Path) -> str:
    """Lay out one line a variant: its time, and which operations take it."""
    spent: dict[tuple[str, str], dict[str, Row]] = {}
    for row in read_rows(path):
        network, variant, kind = row.what.split(", ", 2)
        spent.setdefault((network, variant), {})[kind] = row
    lines = []
    for names, kinds in spent.items():
        whole = kinds[_WHOLE]
        shares = [f"{kind} {row.value / whole.value:.0%}" for kind, row in kinds.items() if kind != _WHOLE]
        lines.append([*names, f"{whole.value:.0f}", f"{whole.ratio:.2f}", ", ".join(shares)])
    head = "Where the CPU of one picture goes, operation by operation, with one thread."
    return f"{head} {measured_on(path)}\n\n{_table(_OPERATIONS, lines)}"


def _variants(path: Path) -> str:
    rows = read_rows(path)
    rounds = json.loads(path.read_text(encoding="utf-8"))["rounds"]
    head = f"Variants, {rounds} rounds a network. {measured_on(path)}"
    prices = [_variant(row) for row in rows if "psnr_db" in (row.more or {})]
    served = [row for row in rows if row.compared_with in {SERVED, FROZEN_SERVED}]
    ratios = [_ratio(row) for row in served if not _is_of_pairs(row)]
    finely = [_finely(row) for row in served if _is_of_pairs(row)]
    apart = [[row.what, f"{row.value:.0f} {row.unit}"] for row in rows if row.unit == "of 255"]
    tables = [_table(_VARIANTS, prices)]
    tables += [_table(_RATIOS, ratios)] if ratios else []
    tables += [_table(_FINELY, finely)] if finely else []
    tables += [_table(("what", "measured"), apart)] if apart else []
    return "\n\n".join([head, *tables])


def _variant(row: Row) -> list[str]:
    network, variant = row.what.split(", ")
    more = row.more or {}
    psnr = "same" if more["psnr_db"] is None else f"{more['psnr_db']:.1f}"
    figures = [f"{row.value:.2f}", f"{row.ratio:.2f}", f"{more['speedup_over_served_float32']:.2f}"]
    sizes = [f"{more[key]:.{digits}f}" for key, digits in _SIZES.items()]
    return [network, variant, *figures, *sizes, psnr, f"{more['ssim']:.4f}", f"{more['max_abs']:.0f}"]


def _ratio(row: Row) -> list[str]:
    more = row.more or {}
    rounds = f"{more['least_ratio']:.2f} to {more['largest_ratio']:.2f}"
    return [row.what, f"{row.ratio:.3f}", rounds, more.get("taken", "")]


def _is_of_pairs(row: Row) -> bool:
    """Whether two servers met in fine turns (:mod:`bench.optimize_pairs`), and not all contenders in rounds."""
    return "median_between" in (row.more or {})


def _finely(row: Row) -> list[str]:
    more = row.more or {}
    wall, cpu = ("{:.3f} to {:.3f}".format(*more[key]) for key in ("median_between", "by_cpu_time_between"))
    return [row.what, f"{row.ratio:.3f}", wall, f"{more['by_cpu_time']:.3f}", cpu, str(more["pairs"])]


def _threads(path: Path) -> str:
    rows = [[*row.what.rsplit(", ", 1), f"{row.value:.2f}", f"{row.ratio:.2f}"] for row in read_rows(path)]
    return f"Threads. {measured_on(path)}\n\n{_table(_THREADS, rows)}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [head, ["---"] * len(head), *rows])
