"""Charts as SVG, drawn here: no library in the browser, nothing fetched, and they are there without a script."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

_WIDTH, _HEIGHT = 1000, 100  # of a drawing that stretches; its text is HTML next to it and does not


@dataclass(frozen=True)
class Series:
    """One line: (seconds, value) in the order of time."""

    label: str
    points: Sequence[tuple[float, float]]


def progress_bar(done: int, skipped: int, failed: int, total: int) -> Markup:
    """Draw the outcomes of a run as one bar of 100 units; every part that is not empty is at least one unit wide."""
    whole = max(total, done + skipped + failed, 1)
    parts, at = [], 0.0
    for css, number in (("done", done), ("skipped", skipped), ("failed", failed)):
        width = max(100 * number / whole, 1.0) if number else 0.0
        width = min(width, 100 - at)
        if width > 0:
            parts.append(f'<rect class="fill-{css}" x="{at:.2f}" y="0" width="{width:.2f}" height="8"/>')
        at += width
    label = f"{done:,} done, {skipped:,} skipped, {failed:,} failed of {whole if total else 0:,}"
    return Markup(  # noqa: S704 - numbers and constants only
        f'<svg class="progress" viewBox="0 0 100 8" preserveAspectRatio="none" role="img" aria-label="{label}">'
        f'<rect class="fill-rest" width="100" height="8"/>{"".join(parts)}</svg>'
    )


def run_bars(runs: Sequence[tuple[str, float]], *, label: str) -> Markup:
    """
    Draw the latest runs as bars, the newest at the right.

    :param runs: state (a class of the style sheet) and height, newest last.
    """
    highest = max((height for _, height in runs), default=0.0) or 1.0
    bars = [
        f'<rect class="{escape(state)}" x="{144 - 18 * (len(runs) - place)}" width="12" rx="2" '
        f'y="{48 - bar:.1f}" height="{bar:.1f}"/>'
        for place, (state, height) in enumerate(runs)
        for bar in [max(6.0, 48 * height / highest)]
    ]
    size = 'viewBox="0 0 144 48" preserveAspectRatio="xMaxYMax"'
    head = f'<svg class="bars" {size} role="img" aria-label="{escape(label)}">'
    return Markup(f"{head}{''.join(bars)}</svg>") if runs else Markup("")  # noqa: S704 - texts are escaped


def line_chart(
    series: Sequence[Series],
    *,
    unit: str,
    label: str,
    marks: Sequence[float] = (),
    dots: Sequence[tuple[float, float]] = (),
) -> Markup:
    """
    Draw lines over time.

    :param series: times in seconds from a common beginning; a single one gets an area below it.
    :param unit: of the values, such as ``img/s``.
    :param label: the chart's content, for a screen reader.
    :param marks: moments that get a dashed line, in seconds.
    :param dots: single points to be seen at once, such as failures.
    :return: HTML, or an empty string when there are not two points.
    """
    points = [point for one in series for point in one.points] + list(dots)
    if len(points) < 2:
        return Markup("")
    frame = _Frame.around(points)
    body = [
        f'<line class="grid" x2="{_WIDTH}" y1="{y}" y2="{y}" vector-effect="non-scaling-stroke"/>' for y in (0, 50, 100)
    ]
    body += [_line(frame, one, with_area=len(series) == 1) for one in series]
    body += [_stroke("mark", frame.x(at_s), 0, _HEIGHT) for at_s in marks]
    body += [_stroke("failed", frame.x(x), frame.y(y), frame.y(y)) for x, y in dots]
    drawing = (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" preserveAspectRatio="none" aria-hidden="true">{"".join(body)}</svg>'
    )
    ticks = "".join(f"<span>{format_tick(at_s)}</span>" for at_s in frame.ticks)
    return Markup(  # noqa: S704 - texts are escaped, the rest is numbers
        f'<div class="chart" role="img" aria-label="{escape(label)}"><div class="y">'
        f"<span>{frame.top:.4g} {escape(unit)}</span><span>{frame.top / 2:.4g}</span><span>0</span></div>{drawing}"
        f'<div class="x">{ticks}</div></div>'
    )


@dataclass(frozen=True)
class _Frame:
    """From seconds and values to the drawing."""

    ticks: tuple[float, ...]  #: multiples of one step, so that zero is one of them if it is between the ends
    top: float

    @classmethod
    def around(cls, points: Sequence[tuple[float, float]]) -> _Frame:
        start_s, end_s = min(0.0, *(x for x, _ in points)), max(1e-9, *(x for x, _ in points))
        step_s = nice_ceiling((end_s - start_s) / 5)
        first, last = math.floor(start_s / step_s + 1e-9), math.ceil(end_s / step_s - 1e-9)
        ticks = tuple(number * step_s for number in range(first, last + 1))
        return cls(ticks, nice_ceiling(max(y for _, y in points)))

    def x(self, at_s: float) -> float:
        """Across."""
        return (at_s - self.ticks[0]) / (self.ticks[-1] - self.ticks[0]) * _WIDTH

    def y(self, value: float) -> float:
        """Down."""
        return (1 - value / self.top) * _HEIGHT


def nice_ceiling(value: float) -> float:
    """Return the next of 1, 2, 5 times a power of ten."""
    if not math.isfinite(value) or value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= value * 0.999)


def _stroke(css: str, x: float, y1: float, y2: float) -> str:
    place = f'x1="{x:.1f}" x2="{x:.1f}" y1="{y1:.1f}" y2="{y2:.1f}"'
    return f'<line class="{css}" {place} vector-effect="non-scaling-stroke"/>'


def _line(frame: _Frame, series: Series, *, with_area: bool) -> str:
    if not series.points:
        return ""
    path = " ".join(f"{frame.x(x):.1f},{frame.y(y):.1f}" for x, y in thin_out(series.points, _WIDTH))
    title = f"<title>{escape(series.label)}</title>"
    line = f'<polyline class="line" points="{path}" vector-effect="non-scaling-stroke">{title}</polyline>'
    first, last = frame.x(series.points[0][0]), frame.x(series.points[-1][0])
    area = f'<polygon class="area" points="{first:.1f},{_HEIGHT} {path} {last:.1f},{_HEIGHT}"/>'
    return area + line if with_area else line


def thin_out(points: Sequence[tuple[float, float]], limit: int) -> Sequence[tuple[float, float]]:
    """At most about ``limit`` points: of each stretch its lowest and highest, so that no peak gets lost."""
    if len(points) <= limit:
        return points
    stretch = math.ceil(2 * len(points) / limit)
    kept: list[tuple[float, float]] = []
    for start in range(0, len(points), stretch):
        part = points[start : start + stretch]
        low, high = min(part, key=lambda p: p[1]), max(part, key=lambda p: p[1])
        kept += sorted({low, high})
    return kept


def format_tick(seconds: float) -> str:
    """``-10 s``, ``0 s``, ``1:30 min``, ``2:05 h``."""
    if abs(seconds) < 60:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d} min" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02d} h"
