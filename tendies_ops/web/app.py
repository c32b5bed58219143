"""Puts the application together; the plugin mounts it at ``/tendies``."""

from __future__ import annotations

from fastapi import FastAPI

from tendies_ops.web import routes
from tendies_ops.web.auth import WhoAsks
from tendies_ops.web.limits.own_loop import OwnLoop
from tendies_ops.web.limits.pace import Pace
from tendies_ops.web.pages.render import answer_errors_with_pages
from tendies_ops.web.safety import ReadOnly
from tendies_ops.web.services import Services
from tendies_ops.web.settings import WebSettings, read_settings
from tendies_ops.web.sources.known import Locate, locate_by_spec


def build_app(settings: WebSettings | None = None, locate: Locate = locate_by_spec) -> FastAPI:
    """
    Return the pages as one application.

    :param settings: default: from the environment.
    :param locate: where a model is served; Airflow's side completes the spec from its connection.
    """
    # Without the three Nones the application would show its own, unauthenticated, API documentation.
    app = FastAPI(title="tendies", docs_url=None, redoc_url=None, openapi_url=None)
    known = settings or read_settings()
    app.state.services = Services(known, locate)
    app.add_middleware(OwnLoop)
    app.add_middleware(Pace, pictures_per_second=known.pictures_per_second)
    app.add_middleware(ReadOnly)
    app.add_middleware(WhoAsks)  # the last one added is the first one asked
    answer_errors_with_pages(app)
    for router in routes.ALL:
        app.include_router(router)
    return app
