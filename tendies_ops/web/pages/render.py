"""From what a view found to HTML: the template environment, the words for numbers and times, the error pages."""

from __future__ import annotations

import hashlib
from datetime import datetime, timezone
from functools import cache
from importlib import resources
from typing import Any
from urllib.parse import quote, urlencode

import jinja2
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response
from starlette.exceptions import HTTPException

from tendies_ops.web.safety import BusyError, OutsideError
from tendies_ops.web.sources.number_answers import golden_numbers, promised_picture
from tendies_ops.web.views.charts import progress_bar

_RETRY_AFTER_S = 3
_HEADINGS = {
    401: "You are not logged in",
    403: "You may not see this",
    404: "There is no such page",
    415: "This picture cannot be shown",
    422: "This address is not right",
    503: "Too much at once",
}


def render(request: Request, template: str, *, status_code: int = 200, **values: Any) -> HTMLResponse:
    """
    A page.

    :param template: name below ``templates/``.
    :param values: what the template shows. Strings are escaped, wherever they come from.
    """
    root = request.scope.get("root_path", "")
    html = (
        environment()
        .get_template(template)
        .render(
            root=root,
            airflow_root=root.removesuffix("/tendies"),
            assets=f"{root}/static/{asset_stamp()}",
            current_path=request.url.path.removeprefix(root),
            **values,
        )
    )
    return HTMLResponse(html, status_code=status_code)


@cache
def environment() -> jinja2.Environment:
    """The templates, with escaping on for every name."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("tendies_ops.web"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals.update(address=address, progress_bar=progress_bar, golden_numbers=golden_numbers)
    made.filters.update(
        count=format_count, duration=format_duration, size=format_size, when=format_time, ago=format_age,
        path=quote_part, short=short_digest, picture=promised_picture,
    )  # fmt: skip
    return made


@cache
def asset(name: str) -> bytes | None:
    """A file of ``static/``; None for a name that is not there. Names are looked up, never joined to a path."""
    files = {item.name: item for item in resources.files("tendies_ops.web").joinpath("static").iterdir()}
    return files[name].read_bytes() if name in files else None


@cache
def asset_stamp() -> str:
    """Changes when a static file does, so that browsers may keep what they have for good."""
    hasher = hashlib.sha256()
    for item in sorted(resources.files("tendies_ops.web").joinpath("static").iterdir(), key=lambda item: item.name):
        hasher.update(item.read_bytes())
    return hasher.hexdigest()[:12]


def address(**values: object) -> str:
    """The part of an address behind the question mark; what is empty, and page 1, is left out."""
    return urlencode(
        {name: value for name, value in values.items() if value not in ("", None) and (name, value) != ("page", 1)}
    )


def format_count(number: int | float) -> str:
    """``12,345``."""
    return f"{number:,.0f}"


def format_duration(seconds: float | None) -> str:
    """``0.4 s``, ``2 min 05 s``, ``3 h 10 min``."""
    if seconds is None:
        return "unknown"
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours < 48 else f"{hours // 24} days"


def format_size(size_bytes: int | float) -> str:
    """``12.3 MB``, in powers of 1000."""
    size = float(size_bytes)
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


def parse_time(text: str | None) -> datetime | None:
    """An ISO 8601 time; without a zone it is taken for UTC. None for anything else."""
    try:
        moment = datetime.fromisoformat((text or "").replace("Z", "+00:00"))
        return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).astimezone(timezone.utc)
    except (ValueError, OverflowError):
        return None


def format_time(value: str | datetime | None) -> str:
    """``22 Nov 2026 16:05 UTC``."""
    moment = parse_time(value) if isinstance(value, str) or value is None else value
    if moment is None:
        return "unknown"
    return moment.astimezone(timezone.utc).strftime("%d %b %Y %H:%M UTC").lstrip("0")


def format_age(value: str | datetime | None, now: datetime | None = None) -> str:
    """``just now``, ``5 min ago``, ``3 h ago``, ``2 days ago``."""
    moment = parse_time(value) if isinstance(value, str) or value is None else value
    if moment is None:
        return "unknown"
    seconds = ((now or datetime.now(timezone.utc)) - moment).total_seconds()
    if seconds < 45:
        return "just now"
    for limit_s, unit_s, unit in ((3600, 60, "min"), (48 * 3600, 3600, "h")):
        if seconds < limit_s:
            return f"{round(seconds / unit_s)} {unit} ago"
    return f"{round(seconds / 86400)} days ago"


def quote_part(text: object) -> str:
    """One part of a path in a URL."""
    return quote(str(text), safe="")


def short_digest(digest: str) -> str:
    """``sha256:0123456789ab`` without the rest."""
    return digest.removeprefix("sha256:")[:12]


def answer_errors_with_pages(app: FastAPI) -> None:
    """Browsers get a page that says what to do, programs get JSON; neither gets a traceback or a path."""

    async def refuse(request: Request, error: Exception) -> Response:
        status_code, detail = _status_and_words(error)
        headers = _headers_of(error)
        if "text/html" not in request.headers.get("accept", ""):
            return JSONResponse({"detail": detail}, status_code=status_code, headers=headers)
        heading = _HEADINGS.get(status_code, "This did not work")
        page = render(request, "error.html", status_code=status_code, heading=heading, detail=detail)
        page.headers.update(headers)
        return page

    for kind in (HTTPException, RequestValidationError, OutsideError, BusyError):
        app.add_exception_handler(kind, refuse)


def _headers_of(error: Exception) -> dict[str, str]:
    if isinstance(error, BusyError):
        return {"Retry-After": str(_RETRY_AFTER_S)}
    return dict(error.headers or {}) if isinstance(error, HTTPException) else {}


def _status_and_words(error: Exception) -> tuple[int, str]:
    if isinstance(error, HTTPException):
        return error.status_code, str(error.detail)
    if isinstance(error, BusyError):
        return 503, "Too many pages and pictures are being made. Try again in some seconds."
    if isinstance(error, OutsideError):
        return 404, "There is no such file in this model or run."
    return 422, "A part of the address is of the wrong kind."
