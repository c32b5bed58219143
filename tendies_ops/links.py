"""
Links from Airflow's own pages to ours, first of all the one from a task to the page that shows what it does.

The plugin registers it, so the API server computes it when a page is opened, and it is there while the task is
queued, while it runs and after it. Links of an operator's own class appear only when the task has ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode, urlsplit

import attrs
from airflow.configuration import conf
from airflow.sdk import BaseOperator, BaseOperatorLink
from airflow.sdk.types import TaskInstanceKey


@attrs.define(init=False)
class PageLink(BaseOperatorLink):
    """
    Leads to the pictures of a batch task, or to the model of any other task.

    :param operators: classes whose tasks get the link.
    """

    operators: list[type[BaseOperator]]  # type: ignore[misc]  # Airflow reads it from the instance as well

    def __init__(self, operators: Sequence[type[BaseOperator]]) -> None:
        self.operators = list(operators)

    @property
    def name(self) -> str:
        """Return the button's label."""
        return "tendies"

    def get_link(self, operator: Any, *, ti_key: TaskInstanceKey) -> str:
        """Return the page of the task."""
        wanted = urlencode({"dag_id": ti_key.dag_id, "run_id": ti_key.run_id, "task_id": ti_key.task_id})
        return page_address(f"airflow/run?{wanted}")


def page_address(path: str) -> str:
    """One of our pages, opened inside Airflow's frame; below Airflow's own address, whatever that is."""
    return f"{_airflow_root()}/plugin/tendies/tendies/{path}"


def picture_address(path: str) -> str:
    """One of our pictures, for an ``img`` on a page of Airflow's own."""
    return f"{_airflow_root()}/tendies/{path}"


def _airflow_root() -> str:
    return urlsplit(conf.get("api", "base_url", fallback="")).path.rstrip("/")
