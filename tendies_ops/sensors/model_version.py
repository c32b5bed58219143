"""Wait until a model version serves."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, NoReturn

from airflow.configuration import conf
from airflow.sdk import BaseSensorOperator, Context, PokeReturnValue, RetryPolicy
from airflow.sdk.exceptions import AirflowSensorTimeout

from tendies_ops.errors import LoadFailedError, ModelServerError, UsageError
from tendies_ops.hooks.connection_arguments import optional, split_list
from tendies_ops.hooks.model_server import (
    DEFAULT_CONN_ID,
    DEFAULT_POLL_INTERVAL_S,
    ModelServerConnection,
    ModelServerHook,
)
from tendies_ops.hooks.retry_policy import RETRY_POLICY, RetriesTransientErrors
from tendies_ops.triggers.version_serves import FIRST_LOOK_AFTER_S, ModelVersionTrigger
from tendies_ops.triggers.version_wait import VersionOutcome, WantedVersion


class ModelVersionSensor(RetriesTransientErrors, BaseSensorOperator):
    """
    Wait until every replica serves version N, or until a version that is newer than N is in service.

    Returns (XCom) that version. If the version fails to load, the task fails at once.

    :param model_name: model to wait for. (templated)
    :param version: wait for this version. (templated)
    :param newer_than: or until the version in service is above this one; 0 for any version at all. (templated)
    :param model_base_path: directory that Model Server watches, where the task sees it: shows which version a
        release is still proving; default the connection's. (templated)
    :param model_server_conn_id: connection of type ``tf_serving``. (templated)
    :param servers: REST base URLs instead of the connection's. (templated)
    :param deferrable: wait in the triggerer, without a worker slot. Give such a task ``retries``.
    :param poke_interval: seconds between two checks; default the connection's poll interval.
    :param retry_policy: which errors are retried; default those that can pass with time.
    """

    template_fields: Sequence[str] = (
        "model_name",
        "version",
        "newer_than",
        "model_base_path",
        "model_server_conn_id",
        "servers",
    )
    ui_color = "#fdf3e2"

    def __init__(
        self,
        *,
        model_name: str,
        version: int | str | None = None,
        newer_than: int | str | None = None,
        model_base_path: str | None = None,
        model_server_conn_id: str = DEFAULT_CONN_ID,
        servers: Sequence[str] | str | None = None,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        poke_interval: timedelta | float | None = None,
        retry_policy: RetryPolicy | None = RETRY_POLICY,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            poke_interval=DEFAULT_POLL_INTERVAL_S if poke_interval is None else poke_interval,
            retry_policy=retry_policy,
            **kwargs,
        )
        if (version is None) == (newer_than is None):
            raise UsageError(f"Give task {self.task_id} either `version` or `newer_than`.")
        self.model_name = model_name
        self.version = version
        self.newer_than = newer_than
        self.model_base_path = model_base_path
        self.model_server_conn_id = model_server_conn_id
        self.servers = servers
        self.deferrable = deferrable
        self._ask_connection = poke_interval is None

    def execute(self, context: Context) -> Any:
        """Check once; then wait here, reschedule, or defer to the triggerer."""
        if self._ask_connection:
            self.poke_interval = self._server().poll_interval_s
        if not self.deferrable:
            return super().execute(context)
        found = self.poke(context)
        return found.xcom_value if found.is_done else self._hand_over()

    def _hand_over(self) -> NoReturn:
        wanted = self._wanted()
        self.defer(
            trigger=ModelVersionTrigger(
                model_server_conn_id=self.model_server_conn_id,
                model_name=self.model_name,
                servers=split_list(self.servers),
                version=wanted.version,
                newer_than=wanted.newer_than,
                model_base_path=self.model_base_path,
                poll_interval_s=self.poke_interval,
                deadline_unix_s=time.time() + self.timeout,
            ),
            method_name="execute_complete",
            # The trigger ends by itself, with a message. This is for a triggerer that has stopped.
            timeout=timedelta(seconds=self.timeout + FIRST_LOOK_AFTER_S + 60),
        )

    def poke(self, context: Context) -> PokeReturnValue:
        """
        Check once.

        :raises LoadFailedError: a replica failed to load the version.
        """
        server = self._server()
        base_path = self.model_base_path or server.base_path_of(self.model_name)
        outcome = self._wanted().look(server.served_versions(self.model_name), base_path)
        self.log.info("%s: %s", self.model_name, outcome.words)
        return PokeReturnValue(is_done=_reached(self.model_name, outcome.state, outcome), xcom_value=outcome.version)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> int:
        """Return the version, or fail, after the wait in the triggerer."""
        outcome = VersionOutcome("waiting", event["words"], event["version"])
        if not _reached(self.model_name, event["state"], outcome):
            raise ModelServerError(f"Waiting for {self.model_name} ended: {event['words']}")
        self.log.info("%s: %s", self.model_name, event["words"])
        return int(event["version"])

    def _wanted(self) -> WantedVersion:
        return WantedVersion(optional(self.version, int), optional(self.newer_than, int))

    def _server(self) -> ModelServerConnection:
        return ModelServerHook(self.model_server_conn_id).resolve(split_list(self.servers))


def _reached(model_name: str, state: str, outcome: VersionOutcome) -> bool:
    if state == "load_failed":
        raise LoadFailedError(f"{model_name}: {outcome.words}")
    if state == "timed_out":
        raise AirflowSensorTimeout(f"{model_name} did not serve the version in time: {outcome.words}")
    return state == "reached"
