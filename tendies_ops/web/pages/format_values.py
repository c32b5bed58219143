"""Numbers, sizes, times and durations as the pages show them: the same everywhere, each with its unit."""

from __future__ import annotations

from datetime import datetime, timezone
from urllib.parse import quote, urlencode

from markupsafe import Markup, escape

from tendies_ops.web.sources.typed import parse_time


def address(**values: object) -> str:
    """Return the part of an address behind the question mark; empty values, and page 1, are left out."""
    return urlencode(
        {name: value for name, value in values.items() if value not in ("", None) and (name, value) != ("page", 1)}
    )


def format_count(number: int | float) -> str:
    """``12,345``."""
    return f"{number:,.0f}"


def format_number(number: float) -> str:
    """Three significant digits: ``27.1``, ``0.913``, ``1,240``."""
    return f"{number:,.0f}" if abs(number) >= 100 else f"{number:.3g}"


def format_duration(seconds: float | None) -> str:
    """``0.4 s``, ``38 s``, ``00:05:12``, as Airflow writes them."""
    if seconds is None:
        return "unknown"
    if seconds < 59.5:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    clock = f"{hours:02d}:{minutes:02d}:{rest:02d}"
    return f"{days} d {clock}" if days else clock


def format_time(value: str | datetime | None) -> str:
    """``2026-11-22 16:05:09 UTC``."""
    moment = value if isinstance(value, datetime) else parse_time(value)
    if moment is None:
        return "unknown"
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")


def time_element(value: str | datetime | None) -> Markup:
    """Return the time in UTC, in an element that ``times.js`` brings to the time zone of Airflow's picker."""
    moment = value if isinstance(value, datetime) else parse_time(value)
    words = escape(format_time(moment))
    if moment is None:
        return Markup("<span>{}</span>").format(words)
    return Markup('<time datetime="{}">{}</time>').format(moment.isoformat(), words)


def quote_part(text: object) -> str:
    """One part of a path in a URL."""
    return quote(str(text), safe="")


def short_digest(digest: str) -> str:
    """``0123456789ab`` of ``sha256:0123456789ab...``."""
    return digest.removeprefix("sha256:")[:12]
