"""The head of ``bench/README.md``: every published promise next to what was measured, and the charts."""

from __future__ import annotations

import os
from pathlib import Path

from bench.charts import chart_path, is_worth_a_chart
from bench.promises import promises_table
from bench.results import PUBLISHED, read_rows

HERE = Path(__file__).parent
LEGEND = (
    "A figure without a unit is a ratio: what is measured to what it is compared with. In the charts a dark line",
    "is the promised limit; green bars keep it, orange ones are short of it, grey ones have none.",
)


def headline(published: Path = PUBLISHED) -> str:
    """
    Lay out the promises of all published results, met or short, then their charts.

    :return: Markdown, without the markers.
    """
    results = {path.stem: read_rows(path) for path in sorted(published.glob("*.json"))}
    pictures = [_picture(name) for name, rows in results.items() if is_worth_a_chart(rows)]
    return "\n".join([promises_table(results), "", *LEGEND, *pictures])


def _picture(name: str) -> str:
    return f"\n![The ratios of {name}]({os.path.relpath(chart_path(name), HERE)})"
