from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import partial
from typing import Any

from airflow.sdk import Asset, Context

from tendies_ops.hooks.connection_arguments import optional
from tendies_ops.operators.rollback_request import RollbackRequest, close_request, take_request
from tendies_ops.operators.service_change import change_service, terms_of
from tendies_ops.operators.task_settings import takes_settings
from tendies_ops.operators.tendies_operator import TendiesOperator
from tendies_ops.operators.who import who_triggered
from tendies_ops.spec import ReleaseSettings, ReleaseSpec


class RollbackModelVersionOperator(TendiesOperator):
    """
    Roll back to an earlier version, with the same proof as a release.

    Returns (XCom) the same summary as ReleaseModelVersionOperator, with ``state`` ``rolled_back``. The same goes to the
    event of each ``tendies://model/`` outlet.

    A retry, or a clear before anything else was released, rolls back to the same version as the first try.

    :param model_name: model to roll back. (templated)
    :param model_base_path: directory that Model Server watches; else the connection's. (templated)
    :param to_version: version to roll back to; default the highest whole one below the one that serves. (templated)
    :param reason: recorded in the history of the model base path. (templated)
    :param options: timeouts and tolerance.
    :param requests: asset whose state store holds the request that the run's event names; version, reason and the
        person's name are then the request's. Writing that store takes the right to edit assets.
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

    @takes_settings(ReleaseSettings)
    def __init__(  # keyword-only arguments of a task
        self,
        *,
        model_name: str,
        model_base_path: str | None = None,
        to_version: int | str | None = None,
        reason: str = "",
        options: ReleaseSpec | None = None,
        requests: Asset | None = None,
        **kwargs: Any,
    ) -> None:
        if requests is not None:  # a task reaches the state stores of its inlets
            kwargs["inlets"] = [*(kwargs.get("inlets") or ()), requests]
        super().__init__(**kwargs)
        self.model_name = model_name
        self.to_version = to_version
        self.reason = reason
        self.model_base_path = model_base_path
        self.options = options
        self.requests = requests

    def run(self, context: Context, cancelled: threading.Event) -> dict[str, Any]:
        """Roll back, and return the summary."""
        from tendies_ops.release import rollback_model

        wanted = self._wanted(context)
        name, base = self.model_name, self.model_base_path
        roll_back = partial(
            rollback_model,
            model_name=name,
            to_version=wanted.to_version,
            reason=wanted.reason,
            request=_request_of(context),
            who=wanted.by,
            options=terms_of(self),
            cancelled=cancelled,
        )
        summary = change_service(self, context, roll_back, model_name=name, model_base_path=base, note=wanted.reason)
        if (requests := self.requests) is not None:
            self.keep_record("The end of the request", lambda: close_request(context, requests, wanted))
        return summary

    def _wanted(self, context: Context) -> RollbackRequest:
        if self.requests is not None:
            return take_request(context, self.requests)
        return RollbackRequest("", optional(self.to_version, int), self.reason, who_triggered(context))


def _request_of(context: Context) -> str:
    """Return an id that is the same for every try of a task in a run."""
    ti = context["ti"]
    return f"{ti.dag_id}/{ti.run_id}/{ti.task_id}/{ti.map_index}"
