"""Find the servers of a model for the pages: in its spec, completed by its Airflow connection."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

from airflow.sdk.exceptions import AirflowException, AirflowNotFoundException

from tendies_ops.errors import UsageError
from tendies_ops.hooks.model_server import ModelServerConnection, ModelServerHook
from tendies_ops.spec import ModelSpec
from tendies_ops.web.sources.known import Location, locate_by_spec

log = logging.getLogger(__name__)
_REMEMBERED_S = 30.0  # an edited connection takes effect within this time


class Locator:
    """Find the servers of models, with a cache: pages are requested more often than connections change."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[str, tuple[float, ModelServerConnection | None]] = {}

    def __call__(self, spec: ModelSpec) -> Location:
        """Return the model's base path and replicas."""
        connection = self._connection(spec.airflow.server_conn_id)
        if connection is None:
            return locate_by_spec(spec)
        release, base_path = spec.release, connection.base_path_of(spec.model_name)
        return Location(
            release.model_base_path or (Path(base_path) if base_path else None),
            release.servers or connection.servers,
            connection.credentials,
            login=release,
        )

    def _connection(self, conn_id: str) -> ModelServerConnection | None:
        with self._lock:
            read_s, connection = self._known.get(conn_id, (float("-inf"), None))
            if self._clock() - read_s > _REMEMBERED_S:
                connection = _read(conn_id)
                self._known[conn_id] = (self._clock(), connection)
            return connection


def _read(conn_id: str) -> ModelServerConnection | None:
    try:
        return ModelServerHook(conn_id).get_conn()
    except AirflowNotFoundException:
        return None
    except (AirflowException, UsageError) as error:
        log.warning("The connection %s cannot be read, so the pages do not know its replicas: %s", conn_id, error)
        return None
