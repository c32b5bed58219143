"""The base of the operators: they stop when killed, find their servers, and fail at once if a retry is useless."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator, Context, RetryPolicy
from airflow.sdk.exceptions import AirflowNotFoundException

from tendies_ops import errors
from tendies_ops.bounded_work import run_bounded
from tendies_ops.hooks.connection_arguments import split_list
from tendies_ops.hooks.model_server import DEFAULT_CONN_ID, ModelServerConnection, ModelServerHook
from tendies_ops.hooks.retry_policy import RETRY_POLICY, RetriesTransientErrors
from tendies_ops.operators.lineage import Lineage, to_openlineage
from tendies_ops.stop_flag import StopFlag

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage


#: Seconds that a task waits, at most, for each record of its work.
RECORD_S = 20.0


class TendiesOperator(RetriesTransientErrors, BaseOperator):
    """
    Base of the operators: a kill sets a flag that the core checks, and a killed task never succeeds.

    :param model_server_conn_id: connection of type ``tf_serving``: replicas, model base path, timeouts, token.
    :param servers: REST base URLs instead of the connection's; a list, or one string with commas.
    :param retry_policy: which errors are retried; default those that can pass with time.
    """

    def __init__(
        self,
        *,
        model_server_conn_id: str = DEFAULT_CONN_ID,
        servers: Sequence[str] | str | None = None,
        retry_policy: RetryPolicy | None = RETRY_POLICY,
        **kwargs: Any,
    ) -> None:
        super().__init__(retry_policy=retry_policy, **kwargs)
        self.model_server_conn_id = model_server_conn_id
        self.servers = servers
        self._cancelled: threading.Event | None = None  # only while execute runs
        self._lineage: Lineage | None = None  # what execute read and wrote

    def execute(self, context: Context) -> Any:
        """Run the work; raise StoppedError if the task was killed, even if the work returned normally."""
        self._cancelled = cancelled = StopFlag()
        try:
            result = self.run(context, cancelled)
        finally:
            self._cancelled = None
        if cancelled.is_set():
            # Airflow continues after on_kill, and the task would succeed.
            raise errors.StoppedError(f"{self.task_id} was killed. Its last step had ended: {result}")
        return result

    def run(self, context: Context, cancelled: threading.Event) -> Any:
        """Do the operator's work."""
        raise NotImplementedError

    def keep_record(self, what: str, record: Callable[[], object]) -> None:
        """
        Record something about finished work: an asset's event, a metric, lineage.

        It runs in a thread of its own with a time limit, because some records go to the API server. A failure is logged
        and does not change how the task ends.
        """
        run_bounded(what, record, limit_s=RECORD_S, warn=self.log.warning)

    def on_kill(self) -> None:
        """Set the flag. It runs inside the signal handler, so it does no I/O."""
        if self._cancelled is not None:
            self._cancelled.set()

    def set_lineage(self, lineage: Lineage) -> None:
        """Keep what the task read and wrote for the OpenLineage provider."""
        self._lineage = lineage

    def get_openlineage_facets_on_complete(self, task_instance: object) -> OperatorLineage[Any, Any] | None:
        """Return the lineage. The OpenLineage provider calls this by its name after the task has ended."""
        return to_openlineage(self._lineage) if self._lineage else None

    def get_openlineage_facets_on_failure(self, task_instance: object) -> OperatorLineage[Any, Any] | None:
        """Return the lineage of a failed task, with what it had done and what was wrong."""
        return self.get_openlineage_facets_on_complete(task_instance)

    def model_server(self) -> ModelServerConnection:
        """Return the connection, with this operator's own ``servers`` if it has any."""
        return ModelServerHook(self.model_server_conn_id).resolve(split_list(self.servers))

    def base_path(self, given: str | None, model_name: str) -> str:
        """
        Return the directory that Model Server watches.

        :raises UsageError: neither the operator nor the connection names it.
        """
        path = given or self._connection_base_path(model_name)
        if not path:
            raise errors.UsageError(
                f"No model base path for {model_name}: give the operator `model_base_path`, the spec "
                f"`release.model_base_path`, or the connection {self.model_server_conn_id!r} `model_base_path`."
            )
        return path.replace("{model_name}", model_name)

    def _connection_base_path(self, model_name: str) -> str | None:
        try:
            return self.model_server().base_path_of(model_name)
        except AirflowNotFoundException:
            return None
