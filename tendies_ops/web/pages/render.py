"""From what a view found to HTML: the template environment, the static files, the error pages."""

from __future__ import annotations

import hashlib
from functools import cache, partial
from importlib import resources
from typing import Any

import jinja2
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response
from rich import filesize
from starlette.exceptions import HTTPException

from tendies_ops.spec.parameter_schema import field_name, schema_of
from tendies_ops.web.pages import format_values, states
from tendies_ops.web.run.batch_run import title_of_id
from tendies_ops.web.run.parameter_words import record_words
from tendies_ops.web.safety import BusyError, OutsideError
from tendies_ops.web.sources.number_answers import golden_numbers, promised_picture
from tendies_ops.web.views.charts import progress_bar, run_bars
from tendies_ops.web.views.release_view import draw_lane, end_s

_RETRY_AFTER_S = 3
_HEADINGS = {
    401: "You are not logged in",
    403: "You may not see this",
    404: "There is no such page",
    413: "Too large",
    415: "This picture cannot be shown",
    422: "This address is not right",
    503: "Too much at once",
}


def render(request: Request, template: str, *, status_code: int = 200, **values: Any) -> HTMLResponse:
    """
    Return a page.

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
    """Return the templates, with escaping on for every name."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("tendies_ops.web"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals.update(
        address=format_values.address, progress_bar=progress_bar, run_bars=run_bars, golden_numbers=golden_numbers,
        icon=states.icon, pill=states.pill, dot=states.dot, model_pill=states.model_pill, events=states.EVENTS,
        state_colour=partial(states.state_part, 0), state_words=partial(states.state_part, 2),
        state_icon=lambda state: states.icon(states.state_part(1, state)), version_pill=states.version_pill,
        replica_state=states.replica_state, draw_lane=draw_lane, lanes_end=end_s,
        schema_of=schema_of, field_name=field_name, record_words=record_words,
    )  # fmt: skip
    made.filters.update(
        count=format_values.format_count, number=format_values.format_number, duration=format_values.format_duration,
        size=filesize.decimal, when=format_values.format_time, time=format_values.time_element,
        path=format_values.quote_part, short=format_values.short_digest, picture=promised_picture,
        lower_first=lambda text: text[:1].lower() + text[1:], run_title=title_of_id,
    )  # fmt: skip
    return made


@cache
def asset(name: str) -> bytes | None:
    """Return a file of ``static/``; None for a name that is not there. Names are looked up, never joined to a path."""
    files = {item.name: item for item in resources.files("tendies_ops.web").joinpath("static").iterdir()}
    return files[name].read_bytes() if name in files else None


@cache
def asset_stamp() -> str:
    """Return a stamp that changes when a static file does, so that browsers may keep what they have."""
    hasher = hashlib.sha256()
    for item in sorted(resources.files("tendies_ops.web").joinpath("static").iterdir(), key=lambda item: item.name):
        hasher.update(item.read_bytes())
    return hasher.hexdigest()[:12]


def answer_errors_with_pages(app: FastAPI) -> None:
    """Browsers get a page with what to do, programs get JSON; neither gets a traceback or a path."""

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
