"""The routes by subject. Every router asks who is logged in, and has a waiting line."""

from __future__ import annotations

from tendies_ops.web.routes import airflow_tabs as airflow
from tendies_ops.web.routes import candidate_pages as candidates
from tendies_ops.web.routes import model_pages as models
from tendies_ops.web.routes import run_pages as runs
from tendies_ops.web.routes import static

ALL = (
    static.router,
    models.router,
    models.pictures,
    candidates.router,
    candidates.pictures,
    runs.router,
    runs.pictures,
    runs.downloads,
    airflow.router,
)
