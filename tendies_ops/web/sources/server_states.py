"""The versions that each replica reports: all are asked at once, with a short timeout; answers keep for a second."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from tendies_ops.client import ModelServerClient
from tendies_ops.errors import TendiesError
from tendies_ops.rest_api.status import ServedVersions
from tendies_ops.web.sources.known import Location

_NOTHING = ServedVersions({})
_FRESH_S = 1.0  # ten people with the page open must not ask ten times a second


@dataclass(frozen=True)
class ReplicaState:
    """One replica's answer about one model."""

    server: str
    served: ServedVersions = _NOTHING
    problem: str = ""  #: why there is no answer


class ServerStates:
    """Asks replicas, and remembers the answers for a second."""

    def __init__(self, *, timeout_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._timeout_s = timeout_s
        self._clock = clock
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(16, thread_name_prefix="tendies-replicas")
        self._asked: dict[tuple[str, str], Future[ReplicaState]] = {}
        self._answered_s: dict[tuple[str, str], float] = {}

    def of(self, model_name: str, location: Location) -> tuple[ReplicaState, ...]:
        """
        Return every replica's state, in the order of its servers.

        Takes at most twice the timeout. A replica is asked once at a time, so one that never ends its answer costs one
        thread and no other replica.
        """
        asked = [self._ask(model_name, server, location) for server in location.servers]
        wait(asked, timeout=2 * self._timeout_s)
        late = f"No complete answer within {2 * self._timeout_s:g} s."
        return tuple(
            answer.result() if answer.done() else ReplicaState(server, problem=late)
            for server, answer in zip(location.servers, asked, strict=True)
        )

    def _ask(self, model_name: str, server: str, location: Location) -> Future[ReplicaState]:
        key = (model_name, server)
        with self._lock:
            asked = self._asked.get(key)
            if asked is None or (asked.done() and self._clock() - self._answered_s[key] >= _FRESH_S):
                asked = self._asked[key] = self._threads.submit(self._one, key, location)
            return asked

    def _one(self, key: tuple[str, str], location: Location) -> ReplicaState:
        try:
            return ask_replica(*key, location, timeout_s=self._timeout_s)
        finally:
            self._answered_s[key] = self._clock()


def ask_replica(model_name: str, server: str, location: Location, *, timeout_s: float) -> ReplicaState:
    """One question to one replica. A replica that does not answer is an answer."""
    try:
        credentials = location.credentials.with_files(location.login)
        with ModelServerClient(server, timeout_s=timeout_s, credentials=credentials) as client:
            return ReplicaState(server, client.served_versions(model_name))
    except TendiesError as error:
        return ReplicaState(server, problem=str(error))
