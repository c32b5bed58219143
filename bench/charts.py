"""Draws the ratios of a result as horizontal bars, each with the limit that is promised for it as a line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from bench.promises import Promise, read_promise
from bench.results import PUBLISHED, Row, read_rows

PICTURES = Path(__file__).parents[1] / "docs" / "pictures"
MIN_BARS = 3  #: fewer are read faster in a table

PAPER, INK, FAINT, LINE = (252, 252, 250), (38, 42, 48), (112, 118, 126), (214, 216, 220)
KEPT, SHORT, UNPROMISED = (46, 134, 104), (214, 96, 40), (142, 162, 190)
Colour = tuple[int, int, int]

# All in pixels; a page shows the chart at about half its size.
BAR_WIDTH = 620  #: of the largest figure or limit of a panel
BAR_HEIGHT = 24
ROW_HEIGHT = 40
HEAD_HEIGHT = 62
MARGIN = 36
GAP = 20
NOTE_GAP = 12
NOTE_WIDTH = 400
TEXT, TITLE = 22, 30


@dataclass(frozen=True)
class Panel:
    """Bars that share a scale: ratios to the same thing, in one unit."""

    compared_with: str
    unit: str
    rows: tuple[Row, ...]

    @property
    def title(self) -> str:
        """What the bars are a multiple of."""
        better = "more" if self.unit.startswith("images/") else "less"
        return f"{self.unit}, as a multiple of: {self.compared_with} ({better} is better)"

    @property
    def largest(self) -> float:
        """What the full width stands for: the largest ratio or limit."""
        limits = [promise.limit for row in self.rows if (promise := read_promise(row)) and promise.of_ratio]
        return max([row.ratio or 0.0 for row in self.rows] + limits)


def panels_of(rows: Sequence[Row]) -> list[Panel]:
    """Group the rows that have a ratio, in the order in which they are first met."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if row.ratio is not None:
            groups.setdefault((row.compared_with, row.unit), []).append(row)
    return [Panel(*key, tuple(members)) for key, members in groups.items()]


def is_worth_a_chart(rows: Sequence[Row]) -> bool:
    """Whether there are enough ratios to see something."""
    return sum(row.ratio is not None for row in rows) >= MIN_BARS


def bar_length(figure: float, panel: Panel) -> int:
    """Pixels of a bar, or from its start to a limit."""
    return round(figure / panel.largest * BAR_WIDTH)


def draw_chart(name: str, rows: Sequence[Row], *, measured: str = "") -> Image.Image:
    """
    Draw all panels below each other.

    :param rows: with :func:`is_worth_a_chart`.
    :param measured: when and on what, for the line below the title.
    """
    panels = panels_of(rows)
    labels_width = max(_width(row.what, TEXT) for panel in panels for row in panel.rows)
    bars_left = MARGIN + labels_width + GAP
    heights = [HEAD_HEIGHT + ROW_HEIGHT * len(panel.rows) for panel in panels]
    top = MARGIN + 2 * ROW_HEIGHT
    chart = Image.new("RGB", (bars_left + BAR_WIDTH + NOTE_WIDTH + MARGIN, top + sum(heights) + MARGIN), PAPER)
    draw = ImageDraw.Draw(chart)
    draw.text((MARGIN, MARGIN), name, fill=INK, font=_font(TITLE))
    draw.text((MARGIN, MARGIN + ROW_HEIGHT), measured, fill=FAINT, font=_font(TEXT))
    for panel, height in zip(panels, heights, strict=True):
        _draw_panel(draw, panel, bars_left, top)
        top += height
    return chart


def _draw_panel(draw: ImageDraw.ImageDraw, panel: Panel, left: int, top: int) -> None:
    bottom = top + HEAD_HEIGHT + ROW_HEIGHT * len(panel.rows)
    draw.text((left, top + HEAD_HEIGHT - 14), panel.title, fill=FAINT, font=_font(TEXT), anchor="ls")
    same = bar_length(1.0, panel)
    if same <= BAR_WIDTH:
        draw.line((left + same, top + HEAD_HEIGHT - 6, left + same, bottom - 8), fill=LINE, width=2)
    for number, row in enumerate(panel.rows):
        _draw_row(draw, panel, row, (left, top + HEAD_HEIGHT + number * ROW_HEIGHT))


def _draw_row(draw: ImageDraw.ImageDraw, panel: Panel, row: Row, at: tuple[int, int]) -> None:
    (left, top), promise = at, read_promise(row)
    middle = top + BAR_HEIGHT // 2
    draw.text((left - GAP, middle), row.what, fill=INK, font=_font(TEXT), anchor="rm")
    length = reach = bar_length(row.ratio or 0.0, panel)
    if length:
        draw.rectangle((left, top, left + length - 1, top + BAR_HEIGHT - 1), fill=_bar_colour(promise))
    if promise and promise.of_ratio:
        reach = max(length, limit := bar_length(promise.limit, panel))
        draw.rectangle((left + limit - 2, top - 5, left + limit + 1, top + BAR_HEIGHT + 4), fill=INK)
    note_left = left + reach + GAP // 2
    for text, colour in notes_of(row):
        right = note_left + _width(text, TEXT)
        draw.rectangle((note_left, top, right + 3, top + BAR_HEIGHT - 1), fill=PAPER)  # no line runs through words
        draw.text((note_left, middle), text, fill=colour, font=_font(TEXT), anchor="lm")
        note_left = right + NOTE_GAP


def notes_of(row: Row) -> list[tuple[str, Colour]]:
    """Return the notes of a bar: its ratio and the promise; a promise for the value itself is next to the value."""
    promise, ratio = read_promise(row), (f"{row.ratio or 0.0:.3g}", INK)
    if promise is None:
        return [ratio]
    judged = KEPT if promise.is_kept else SHORT
    own = "" if promise.of_ratio else f"({row.value:.3g} {row.unit}) "
    return [ratio, (f"{own}{row.promise}: {promise.outcome}", judged)]


def _bar_colour(promise: Promise | None) -> Colour:
    if promise is None or not promise.of_ratio:  # the bar is the ratio, of which nothing is promised
        return UNPROMISED
    return KEPT if promise.is_kept else SHORT


def write_charts(published: Path = PUBLISHED, pictures: Path = PICTURES) -> list[Path]:
    """
    Draw each published result that is worth it.

    :return: ``bench-<name>.png`` of each.
    """
    written = []
    for path in sorted(published.glob("*.json")):
        rows = read_rows(path)
        if is_worth_a_chart(rows):
            written.append(chart_path(path.stem, pictures))
            draw_chart(path.stem, rows, measured=measured_on(path)).save(written[-1], optimize=True)
    return written


def chart_path(name: str, pictures: Path = PICTURES) -> Path:
    """Where the chart of a bench lies."""
    return pictures / f"bench-{name}.png"


def measured_on(path: Path) -> str:
    """When and on what a result was measured, in a few words."""
    result = json.loads(path.read_text(encoding="utf-8"))
    machine = result["machine"]
    tensorflow = machine["packages"].get("tensorflow", "")
    return f"{result['measured_at'][:10]}, {machine['cpus']} cores of {machine['cpu']}, TensorFlow {tensorflow}"


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)  # the one inside Pillow: the same on every machine


def _width(text: str, size: int) -> int:
    return round(_font(size).getlength(text))
