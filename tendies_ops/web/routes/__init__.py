"""The routes by subject. Every router asks who is logged in, and has a waiting line."""

from __future__ import annotations

from tendies_ops.web.routes import (
    airflow_tabs,
    candidate_pages,
    fan_out_pages,
    model_pages,
    partition_pages,
    release_pages,
    run_pages,
    static,
    try_pages,
)

ALL = (
    static.router,
    model_pages.router,
    model_pages.pictures,
    partition_pages.router,
    fan_out_pages.router,
    candidate_pages.router,
    candidate_pages.pictures,
    release_pages.router,
    run_pages.router,
    run_pages.pictures,
    run_pages.downloads,
    airflow_tabs.router,
    try_pages.router,
    try_pages.pictures,
    try_pages.actions,
)
