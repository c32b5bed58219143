"""The trigger of a deferred ModelVersionSensor."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence

from airflow.sdk.exceptions import AirflowNotFoundException
from airflow.triggers.base import BaseTrigger, TriggerEvent

from tendies_ops.errors import TendiesError
from tendies_ops.hooks.model_server import ModelServerConnection, ModelServerHook
from tendies_ops.triggers.own_thread import OwnThread
from tendies_ops.triggers.serialized import SerializedByArguments
from tendies_ops.triggers.version_wait import VersionOutcome, WantedVersion

#: An event that comes sooner than this after the task has deferred can meet a scheduler that still holds the task as
#: queued, and Airflow 3.3 then fails the task. Five seconds is how long an executor may hold the slot by default.
FIRST_LOOK_AFTER_S = 10.0

#: All replicas are asked at once with shorter timeouts; only the resolution of their names may take longer.
_LONGEST_LOOK_S = 30.0


class ModelVersionTrigger(SerializedByArguments, BaseTrigger):
    """
    Ask every replica until the version serves or has failed to load, or until the deadline.

    It has no state but its arguments, so another triggerer can continue with them; for that reason the deadline is wall
    clock time. It fires once: ``{"state": "reached" | "load_failed" | "timed_out" | "error", "version", "words"}``.

    :param model_server_conn_id: read again in the triggerer, so that no token is in the database.
    :param servers: REST base URLs instead of the connection's.
    :param model_base_path: as the triggerer sees it; None: the connection's.
    :param deadline_unix_s: seconds since 1970 after which it gives up; None: never.
    """

    def __init__(
        self,
        *,
        model_server_conn_id: str,
        model_name: str,
        servers: Sequence[str] = (),
        version: int | None = None,
        newer_than: int | None = None,
        model_base_path: str | None = None,
        poll_interval_s: float = 5.0,
        deadline_unix_s: float | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # not typed by Airflow
        self.model_server_conn_id = model_server_conn_id
        self.model_name = model_name
        self.servers = list(servers)
        self.version = version
        self.newer_than = newer_than
        self.model_base_path = model_base_path
        self.poll_interval_s = poll_interval_s
        self.deadline_unix_s = deadline_unix_s

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, and fire once."""
        await asyncio.sleep(FIRST_LOOK_AFTER_S)
        wanted = WantedVersion(self.version, self.newer_than)
        thread = OwnThread(f"versions of {self.model_name}")
        while True:
            try:
                connection = await ModelServerHook(self.model_server_conn_id).aresolve(tuple(self.servers))
                outcome = await thread.call(self._look, wanted, connection, limit_s=_LONGEST_LOOK_S)
            except (TendiesError, AirflowNotFoundException) as error:
                yield _event("error", VersionOutcome("waiting", str(error)))
                return
            except (
                Exception
            ) as error:  # the API server is unreachable, or a name cannot be resolved: the wait continues
                outcome = VersionOutcome("waiting", f"the replicas could not be asked: {error}")
            if outcome.state != "waiting":
                yield _event(outcome.state, outcome)
                return
            if self.deadline_unix_s is not None and time.time() >= self.deadline_unix_s:
                yield _event("timed_out", outcome)
                return
            self.log.info("Waiting for %s: %s", self.model_name, outcome.words)
            await asyncio.sleep(self.poll_interval_s)

    def _look(self, wanted: WantedVersion, connection: ModelServerConnection) -> VersionOutcome:
        base_path = self.model_base_path or connection.base_path_of(self.model_name)
        return wanted.look(connection.served_versions(self.model_name), base_path)


def _event(state: str, outcome: VersionOutcome) -> TriggerEvent:
    payload = {"state": state, "version": outcome.version, "words": outcome.words}
    return TriggerEvent(payload)  # type: ignore[no-untyped-call]  # not typed by Airflow
