"""Back to an earlier version."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tendies_ops.hooks.connection_arguments import optional
from tendies_ops.operators.service_change import ServiceChangeOperator
from tendies_ops.spec import ReleaseSpec

if TYPE_CHECKING:
    from airflow.sdk import Context


class RollbackModelVersionOperator(ServiceChangeOperator):
    """
    Put an earlier version back into service, with the same proof as a release.

    Returns (XCom) the same summary as ReleaseModelVersionOperator, with ``state`` ``rolled_back``. The same goes to the
    event of each ``tendies://model/`` outlet.

    A retry, or a clear before anything else was released, goes no further back than the first try did.

    :param model_name: model to roll back. (templated)
    :param model_base_path: directory that Model Server watches; else the connection's. (templated)
    :param to_version: version to go back to; default the highest whole one below the one that serves. (templated)
    :param reason: why; goes into the history of the model base path. (templated)
    :param options: timeouts and tolerance.
    """

    template_fields: Sequence[str] = (
        "model_name",
        "model_base_path",
        "to_version",
        "reason",
        "model_server_conn_id",
        "servers",
    )
    ui_color = "#fbeaea"

    def __init__(
        self,
        *,
        model_name: str,
        model_base_path: str | None = None,
        to_version: int | str | None = None,
        reason: str = "",
        options: ReleaseSpec | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(model_base_path=model_base_path, options=options, **kwargs)
        self.model_name = model_name
        self.to_version = to_version
        self.reason = reason

    def run(self, context: Context, cancelled: threading.Event) -> dict[str, Any]:
        """Roll back, and say what serves now."""
        from tendies_ops.release import rollback_model

        return self.change_service(
            context,
            self.model_name,
            rollback_model,
            note=self.reason,
            model_name=self.model_name,
            to_version=optional(self.to_version, int),
            reason=self.reason,
            request=_request_of(context),
            options=self.terms(),
            cancelled=cancelled,
        )


def _request_of(context: Context) -> str:
    """The same for every try of a task in a run."""
    ti = context["ti"]
    return f"{ti.dag_id}/{ti.run_id}/{ti.task_id}/{ti.map_index}"
