"""
The Airflow plugin: wiring only.

It is imported by every Airflow process, tasks included, so nothing heavy may be imported here. Properties are asked for
by the API server alone.
"""

from __future__ import annotations

import logging
from typing import Any
from urllib.parse import quote

from airflow.plugins_manager import AirflowPlugin

log = logging.getLogger(__name__)


def _icon(colour: str) -> str:
    """Return a framed picture as a data URL, which is right below whatever address Airflow is served."""
    path = "M3 5h18v14H3zM3 16l5-5 5 5 3-3 5 4M15.5 9v.5"
    style = f"fill='none' stroke='{colour}' stroke-width='1.75' stroke-linecap='round' stroke-linejoin='round'"
    drawing = f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 24 24' {style}><path d='{path}'/></svg>"
    return f"data:image/svg+xml,{quote(drawing)}"


class TendiesPlugin(AirflowPlugin):
    """Registers what tendies adds to Airflow's UI."""

    name = "tendies"
    external_views = [  # noqa: RUF012 - the base class declares a plain list
        {
            "name": "Models",
            "href": "tendies/models",
            "destination": "nav",
            "nav_top_level": True,
            "icon": _icon("#1e293b"),
            "icon_dark_mode": _icon("#f8fafc"),
            "url_route": "tendies",
        },
        {
            "name": "Pictures",
            "href": "tendies/airflow/run?dag_id={DAG_ID}&run_id={RUN_ID}",
            "destination": "dag_run",
            "url_route": "tendies_run",
        },
        {
            "name": "Pictures",
            "href": "tendies/airflow/run?dag_id={DAG_ID}&run_id={RUN_ID}&task_id={TASK_ID}",
            "destination": "task_instance",
            "url_route": "tendies_task",
        },
    ]

    @property
    def operator_extra_links(self) -> list[Any]:  # type: ignore[override]
        """The link on every task of ours. Only the API server asks for it."""
        from tendies_ops.links import PageLink
        from tendies_ops.operators.batch import BatchInferenceOperator
        from tendies_ops.operators.export import ExportSavedModelOperator
        from tendies_ops.operators.release import ReleaseModelVersionOperator
        from tendies_ops.operators.review import ApproveReleaseOperator, ReviewModelVersionOperator
        from tendies_ops.operators.rollback import RollbackModelVersionOperator

        ours = (
            BatchInferenceOperator,
            ExportSavedModelOperator,
            ReviewModelVersionOperator,
            ApproveReleaseOperator,
            ReleaseModelVersionOperator,
            RollbackModelVersionOperator,
        )
        return [PageLink(ours)]

    @property
    def fastapi_apps(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """The pages, built only where they are served. A fault in them must not keep the API server from starting."""
        try:
            from tendies_ops.hooks.locating import Locator
            from tendies_ops.web.app import build_app

            app = build_app(locate=Locator())
        except Exception:
            log.exception("The pages of tendies are not served.")
            return []
        return [{"app": app, "url_prefix": "/tendies", "name": "tendies"}]
