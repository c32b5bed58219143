"""The figures of the first page, and the tables of where the time of a picture goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from bench.charts import PICTURES, draw_chart, measured_on
from bench.results import PUBLISHED, Row, read_rows

STYLE = "photo style 256x256 JPEG"
NOTHING = "almost nothing, 64x64 PNG"
WHOLE_JOB = "images/s, start and end included"
FIRST_CHART = "bench-whole-jobs.png"


@dataclass(frozen=True)
class Figure:
    """
    One line of the first page: a row of a published result.

    :param says: what the figure says, as text; ``{other}`` is what the row is compared with.
    :param bench: the result; ``what`` and ``unit`` find the row in it, and ``compared_with`` where these do not.
    :param is_ratio: tell the ratio, not the value.
    """

    says: str
    bench: str
    what: str
    unit: str
    compared_with: str = ""
    is_ratio: bool = True

    def find(self, rows: Sequence[Row]) -> Row:
        """
        Return the row.

        :raises LookupError: the result has no such row, or several.
        """
        found = [
            row
            for row in rows
            if (row.what, row.unit) == (self.what, self.unit) and self.compared_with in ("", row.compared_with)
        ]
        if len(found) != 1:
            raise LookupError(f"{self.bench} has {len(found)} rows {self.what!r} in {self.unit}; the page needs one.")
        return found[0]


FIGURES = (
    Figure(f"`tendies serve`, {STYLE}, images a second, to TensorFlow without a server",
           "server_peers", f"tendies serve, {STYLE}", "images/s"),
    Figure("the same where the network does almost nothing", "server_peers", f"tendies serve, {NOTHING}", "images/s"),
    Figure("the client, images a second, to that of 2018", "client_cost", "ModelServerClient, 64x64",
           "images/s", "the 2018 client"),
    Figure("a folder of photographs as a whole job, to TensorFlow without anything around it",
           "batch_peers", f"tendies, server started for it, {STYLE}", WHOLE_JOB),
    Figure("the same by Beam RunInference", "batch_peers", f"Beam RunInference, {STYLE}", WHOLE_JOB),
    Figure("what a run of the batch DAG takes longer than `tendies batch`", "airflow_cost",
           "what Airflow adds to a batch of 256 pictures", "s", is_ratio=False),
)  # fmt: skip


def first_figures(published: Path = PUBLISHED) -> str:
    """
    Lay out the figures of the first page.

    :raises LookupError: one of them is not among the published results.
    """
    results = {name: read_rows(published / f"{name}.json") for name in {figure.bench for figure in FIGURES}}
    lines = (_line(figure, figure.find(results[figure.bench])) for figure in FIGURES)
    return _table(["what", "measured", "bench"], list(lines))


def write_first_chart(published: Path = PUBLISHED, pictures: Path = PICTURES) -> None:
    """Draw how fast whole jobs are, for the first page."""
    path = published / "batch_peers.json"
    rows = [row for row in read_rows(path) if row.unit == WHOLE_JOB and row.what.endswith(STYLE)]
    title = "A folder of photographs to a folder of results, from nothing running to the last file"
    draw_chart(title, rows, measured=measured_on(path)).save(pictures / FIRST_CHART, optimize=True)


def _line(figure: Figure, row: Row) -> list[str]:
    told = f"{row.ratio:.3g} times" if figure.is_ratio else f"{_digits(row.value)} {row.unit}"
    return [figure.says, f"**{told}**", f"`{figure.bench}`"]


def where_time_goes(published: Path = PUBLISHED) -> str:
    """Lay out where the time of a picture goes, then what stands around it: Airflow, and a whole job next to others."""
    parts = {"profile": _profile, "airflow_cost": _airflow, "batch_peers": _jobs}
    paths = {published / f"{name}.json": make for name, make in parts.items()}
    return "\n\n".join(make(read_rows(path)) for path, make in paths.items() if path.is_file())


def _profile(rows: Sequence[Row]) -> str:
    stages = [row for row in rows if row.compared_with]
    parts = [_stage_table(whole, list(members)) for whole, members in groupby(stages, lambda row: row.compared_with)]
    beside = [[row.what, f"{_digits(row.value)} {row.unit}"] for row in rows if not row.compared_with]
    chart = "![Each stage's share of the whole road](../pictures/bench-profile.png)"
    return "\n\n".join([*parts, _table(["beside it", ""], beside), chart])


def _airflow(rows: Sequence[Row]) -> str:
    cells = [[row.what, f"{_digits(row.value)} {row.unit}", _reference(row)] for row in rows]
    return _table(["a batch by a DAG run", "measured", "`tendies batch`"], cells)


def _reference(row: Row) -> str:
    return "" if row.reference is None else f"{_digits(row.reference)} {row.unit}"


def _jobs(rows: Sequence[Row]) -> str:
    units = list(dict.fromkeys(row.unit for row in rows))
    figures = {(row.what, row.unit): _digits(row.value) for row in rows}
    jobs = dict.fromkeys(row.what for row in rows)
    table = _table(["a whole job", *units], [[job, *(figures[job, unit] for unit in units)] for job in jobs])
    return f"{table}\n\n![Jobs from folder to folder, beside TensorFlow in process](../pictures/bench-batch_peers.png)"


def _digits(figure: float) -> str:
    """Three digits, or all before the point."""
    return f"{figure:,.0f}" if figure >= 100 else f"{figure:.3g}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [head, ["---"] * len(head), *rows])


def _stage_table(whole: str, rows: Sequence[Row]) -> str:
    stages = [[row.what, _digits(row.value), f"{100 * (row.ratio or 0):.1f} %"] for row in rows]
    total = [f"**{whole}**", f"**{_digits(rows[0].reference or 0.0)}**", ""]
    return _table(["stage", "CPU us a picture", "share"], [*stages, total])
