"""The routes by subject. Every router asks who is logged in."""

from __future__ import annotations

from tendies_ops.web.routes import airflow, candidates, models, runs, static

ALL = (static.router, models.router, candidates.router, runs.router, airflow.router)
