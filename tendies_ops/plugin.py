"""
The Airflow plugin: wiring only.

It is imported by every Airflow process, tasks included, so nothing heavy may be imported here. Properties are asked for
by the API server alone.
"""

from __future__ import annotations

import logging
from typing import Any

from airflow.plugins_manager import AirflowPlugin

log = logging.getLogger(__name__)


class TendiesPlugin(AirflowPlugin):
    """Registers what tendies adds to Airflow's UI."""

    name = "tendies"
    external_views = [  # noqa: RUF012 - the base class declares a plain list
        {
            "name": "tendies",
            "href": "tendies/models",
            "destination": "nav",
            "category": "browse",
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
