"""What all operators have in common: stop when killed, find its server, fail at once when a retry is useless."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowNotFoundException

from tendies_ops import errors
from tendies_ops.beside import run_beside
from tendies_ops.hooks.connection_arguments import split_list
from tendies_ops.hooks.model_server import DEFAULT_CONN_ID, ModelServerConnection, ModelServerHook
from tendies_ops.hooks.retry_policy import RETRY_POLICY, RetriesWhatTimeMends
from tendies_ops.operators.lineage import Lineage, to_openlineage
from tendies_ops.stop_flag import StopFlag

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage
    from airflow.sdk import Context, RetryPolicy


#: How long a task waits, at most, for each thing that is recorded about its work.
RECORD_S = 20.0


class TendiesOperator(RetriesWhatTimeMends, BaseOperator):
    """
    Base of the operators: a kill sets a flag that the core looks at, and a killed task is never green.

    :param model_server_conn_id: connection of type ``tf_serving``: replicas, model base path, timeouts, token.
    :param servers: REST base URLs instead of the connection's; a list, or one string with commas.
    :param retry_policy: which errors are retried; default those that time can fix.
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
        """Run the work; raise if it was told to stop, whatever the work itself made of that."""
        self._cancelled = cancelled = StopFlag()
        try:
            result = self.run(context, cancelled)
        finally:
            self._cancelled = None
        if cancelled.is_set():
            # Airflow goes on after on_kill and would call this a success.
            raise errors.StoppedError(f"{self.task_id} was told to stop. Its last step had ended: {result}")
        return result

    def run(self, context: Context, cancelled: threading.Event) -> Any:
        """The operator's work."""
        raise NotImplementedError

    def keep_record(self, what: str, record: Callable[[], object]) -> None:
        """
        Record something about work that is done: an asset's event, a metric, lineage.

        It has a thread of its own and a limit on time, for some of it asks the API server. What fails is logged and
        changes nothing about how the task ends.
        """
        run_beside(what, record, limit_s=RECORD_S, warn=self.log.warning)

    def on_kill(self) -> None:
        """Runs inside the signal handler: sets the flag, does no I/O."""
        if self._cancelled is not None:
            self._cancelled.set()

    def set_lineage(self, lineage: Lineage) -> None:
        """Keep what the task read and wrote for the OpenLineage provider."""
        self._lineage = lineage

    def get_openlineage_facets_on_complete(self, task_instance: object) -> OperatorLineage[Any, Any] | None:
        """The OpenLineage provider calls this by its name, in the task's process, after the end."""
        return to_openlineage(self._lineage) if self._lineage else None

    def model_server(self) -> ModelServerConnection:
        """The connection, with this operator's own ``servers`` where it has some."""
        return self.hook().resolve(split_list(self.servers))

    def hook(self) -> ModelServerHook:
        """The hook of the connection."""
        return ModelServerHook(self.model_server_conn_id)

    def base_path(self, given: str | None, model_name: str) -> str:
        """
        The directory that Model Server watches.

        :raises UsageError: neither the operator nor the connection says where.
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
