"""Charts as SVG, drawn here: no library in the browser, nothing fetched, and they are there without a script."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

_WIDTH, _HEIGHT = 1100, 170
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 12, 26


@dataclass(frozen=True)
class Series:
    """One line: (seconds, value) in the order of time."""

    label: str
    points: Sequence[tuple[float, float]]
    css: str = "line"


@dataclass(frozen=True)
class Mark:
    """A moment that gets a dashed line and a word."""

    at_s: float
    label: str


def progress_bar(done: int, skipped: int, failed: int, total: int) -> Markup:
    """What became of how many, as one bar of 100 units; every part that is not empty is at least one unit wide."""
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


def line_chart(
    series: Sequence[Series],
    *,
    unit: str,
    label: str,
    marks: Sequence[Mark] = (),
    dots: Sequence[tuple[float, float]] = (),
) -> Markup:
    """
    Lines over time.

    :param series: times in seconds from a common beginning; a single one gets an area below it.
    :param unit: of the values, such as ``img/s``.
    :param label: what a screen reader says.
    :param dots: single points to be seen at once, such as failures.
    :return: an ``<svg>``, or an empty string when there are not two points.
    """
    points = [point for one in series for point in one.points] + list(dots)
    if len(points) < 2:
        return Markup("")
    end_s = max(1e-9, *(x for x, _ in points))
    start_s = min(0.0, *(x for x, _ in points))
    frame = _Frame(start_s, end_s, nice_ceiling(max(y for _, y in points)))
    body = [_grid(frame, unit)]
    body += [_line(frame, one, with_area=len(series) == 1) for one in series]
    body += [_mark(frame, mark, line) for line, mark in enumerate(marks)]
    body += [f'<circle class="dot" cx="{frame.x(x):.1f}" cy="{frame.y(y):.1f}" r="3.5"/>' for x, y in dots]
    head = f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(label)}">'
    return Markup(f"{head}{''.join(body)}</svg>")  # noqa: S704 - texts are escaped, the rest is numbers


@dataclass(frozen=True)
class _Frame:
    """From seconds and values to pixels."""

    start_s: float
    end_s: float
    top: float

    def x(self, at_s: float) -> float:
        """Across."""
        share = (at_s - self.start_s) / max(self.end_s - self.start_s, 1e-9)
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        """Down."""
        return _TOP + (1 - value / self.top) * (_HEIGHT - _TOP - _BOTTOM)


def nice_ceiling(value: float) -> float:
    """The next of 1, 2, 5 times a power of ten."""
    if not math.isfinite(value) or value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= value * 0.999)


def _grid(frame: _Frame, unit: str) -> str:
    lines = []
    for share in (0.0, 0.5, 1.0):
        y = frame.y(share * frame.top)
        lines.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        text = f"{share * frame.top:.4g}" + (f" {escape(unit)}" if share == 1.0 else "")
        anchor, x = ("start", 2) if share == 1.0 else ("end", _LEFT - 7)
        lines.append(f'<text x="{x}" y="{y + 4:.1f}" text-anchor="{anchor}">{text}</text>')
    for share in (0.0, 0.5, 1.0):
        at_s = frame.start_s + share * (frame.end_s - frame.start_s)
        anchor = ("start", "middle", "end")[int(share * 2)]
        lines.append(f'<text x="{frame.x(at_s):.1f}" y="{_HEIGHT - 7}" text-anchor="{anchor}">{_clock(at_s)}</text>')
    return "".join(lines)


def _line(frame: _Frame, series: Series, *, with_area: bool) -> str:
    if not series.points:
        return ""
    path = " ".join(f"{frame.x(x):.1f},{frame.y(y):.1f}" for x, y in thin_out(series.points, _WIDTH))
    line = f'<polyline class="{escape(series.css)}" points="{path}"><title>{escape(series.label)}</title></polyline>'
    if not with_area:
        return line
    first, last = frame.x(series.points[0][0]), frame.x(series.points[-1][0])
    floor = frame.y(0)
    return f'<polygon class="area" points="{first:.1f},{floor:.1f} {path} {last:.1f},{floor:.1f}"/>' + line


def _mark(frame: _Frame, mark: Mark, line: int) -> str:
    """A dashed line with its word; each word on a line of its own, for moments that are close together."""
    x = frame.x(mark.at_s)
    anchor = "end" if x > _WIDTH * 0.75 else "start"
    shift = -5 if anchor == "end" else 5
    place = f'x="{x + shift:.1f}" y="{_TOP + 10 + 15 * line}" text-anchor="{anchor}"'
    return (
        f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{_HEIGHT - _BOTTOM}"/>'
        f'<text class="mark-label" {place}>{escape(mark.label)}</text>'
    )


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


def _clock(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d} min" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02d} h"
