"""Remove the records of old runs and releases of a model."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import Context

from tendies_ops.errors import UsageError
from tendies_ops.operators.tendies_operator import TendiesOperator
from tendies_ops.spec import RetentionSpec

if TYPE_CHECKING:
    from tendies_ops.spec import ModelSpec


class TidyOperator(TendiesOperator):
    """
    Tidy each output and the base path of a model, under the locks that its batches and releases take.

    Returns (XCom) what was removed: ``outputs``, ``runs_removed``, ``lines_removed``, ``reports_removed``,
    ``bytes_freed``, the folders where most was freed, and those that were left alone because something writes there.

    :param spec: the model's spec.
    :param keep_runs: number of the newest runs of each output, and of reports of releases, to keep. (templated)
    :param keep_days: younger ones stay as well. (templated)
    :param list_only: ``True``: only list what would be removed. (templated)
    :param model_base_path: directory that Model Server watches; else the spec's or the connection's. (templated)
    """

    template_fields: Sequence[str] = (
        "keep_runs",
        "keep_days",
        "list_only",
        "model_base_path",
        "model_server_conn_id",
        "servers",
    )

    def __init__(
        self,
        *,
        spec: ModelSpec,
        keep_runs: int | str = 100,
        keep_days: float | str = 90.0,
        list_only: bool | str = False,
        model_base_path: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.spec = spec
        self.keep_runs = keep_runs
        self.keep_days = keep_days
        self.list_only = list_only
        self.model_base_path = model_base_path

    def run(self, context: Context, cancelled: threading.Event) -> dict[str, Any]:
        """Tidy, log what was freed, and return it."""
        from tendies_ops.tidy_model import tidy_model

        given = {"keep_runs": self.keep_runs, "keep_days": self.keep_days}
        done = tidy_model(
            self.spec,
            RetentionSpec.model_validate(given),
            model_base_path=self._base(),
            dry_run=str(self.list_only) == "True",
            cancelled=cancelled,
        )
        for folder, tidied in done.outputs.items():
            if tidied.bytes_freed:
                self.log.info("%s: %s", folder, tidied)
        for folder, why in done.left_alone.items():
            self.log.warning("%s is left alone: %s", folder, why)
        self.log.info("In all: %s", summary := done.summary())
        if done.refused:
            raise done.refused[0]
        return summary

    def _base(self) -> Path | None:
        try:
            return Path(self.base_path(self.model_base_path, self.spec.model_name))
        except UsageError:
            return None
