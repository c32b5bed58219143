"""The head of ``bench/README.md``: every published promise beside what was measured, and the charts."""

from __future__ import annotations

import os
from pathlib import Path

from bench.charts import chart_path, is_worth_a_chart
from bench.promises import Promise, read_promise
from bench.results import PUBLISHED, Row, read_rows

HERE = Path(__file__).parent


def headline(published: Path = PUBLISHED) -> str:
    """
    Lay out the promises of all published results, met or short, then their charts.

    :return: Markdown, without the markers.
    """
    results = {path.stem: read_rows(path) for path in sorted(published.glob("*.json"))}
    promised = [
        (name, row, promise) for name, rows in results.items() for row in rows if (promise := read_promise(row))
    ]
    met = sum(promise.is_kept for _, _, promise in promised)
    lines = [
        f"{met} of {len(promised)} promises are met; the others are short:",
        "",
        "| bench | what | compared with | measured | promised | |",
        "|---|---|---|---|---|---|",
        *(_line(name, row, promise) for name, row, promise in promised),
        "",
        "A figure without a unit is a ratio: what is measured to what it is compared with. In the charts a dark line",
        "is the promised limit; green bars keep it, orange ones are short of it, grey ones have none.",
    ]
    return "\n".join(lines + [_picture(name) for name, rows in results.items() if is_worth_a_chart(rows)])


def _line(name: str, row: Row, promise: Promise) -> str:
    outcome = "met" if promise.is_kept else "**short**"
    if promise.of_ratio:
        cells = [f"`{name}`", f"{row.what}, {row.unit}", row.compared_with, f"{row.ratio:.3g}", row.promise, outcome]
    else:
        cells = [f"`{name}`", row.what, "", f"{row.value:,.3g} {row.unit}", row.promise, outcome]
    return f"| {' | '.join(cells)} |"


def _picture(name: str) -> str:
    return f"\n![The ratios of {name}]({os.path.relpath(chart_path(name), HERE)})"
