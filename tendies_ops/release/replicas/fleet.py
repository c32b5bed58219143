"""All replicas of a model, asked at the same time: a dead or slow one delays no other."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed, wait
from types import TracebackType
from typing import TypeVar

from tendies_ops.client import ModelServerClient
from tendies_ops.credentials import NO_CREDENTIALS, Credentials
from tendies_ops.errors import ModelServerError, UsageError
from tendies_ops.release.replicas.wait import VersionWait, WaitOutcome
from tendies_ops.rest_api.status import ServedVersions, VersionStatus

T = TypeVar("T")
_POLL_S = 0.1
_STATUS_TIMEOUT_S = 15.0  # status requests queue behind predicts; a dead host costs ten seconds a try


class Fleet:
    """
    The replicas that serve one model.

    :param servers: REST base URL of each.
    :param predict_timeout_s: for one golden image.
    :param credentials: login and TLS for the replicas.
    :raises UsageError: the list is empty, one is not a URL, or one is named twice.
    """

    def __init__(
        self,
        servers: Sequence[str],
        model_name: str,
        *,
        predict_timeout_s: float = 60.0,
        credentials: Credentials = NO_CREDENTIALS,
    ) -> None:
        check_servers(servers, credentials)
        self.model_name = model_name
        self.servers = tuple(servers)

        def clients(timeout_s: float) -> dict[str, ModelServerClient]:
            return {
                server: ModelServerClient(
                    server, timeout_s=timeout_s, question_timeout_s=timeout_s, credentials=credentials
                )
                for server in servers
            }

        self._status = clients(_STATUS_TIMEOUT_S)
        self.predictors = clients(predict_timeout_s)
        # Two for each: a request that hangs must not delay the other replicas.
        self._pool = ThreadPoolExecutor(max_workers=2 * len(servers), thread_name_prefix="replica")

    def __enter__(self) -> Fleet:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown()
        for client in (*self._status.values(), *self.predictors.values()):
            client.close()

    def each(self, ask: Callable[[str], T], servers: Sequence[str] | None = None) -> dict[str, T]:
        """Call ``ask(server)`` for all at the same time; the first exception is raised when all are done."""
        asked = self.servers if servers is None else tuple(servers)
        futures = {server: self._pool.submit(ask, server) for server in asked}
        return {server: future.result() for server, future in futures.items()}

    def statuses(self) -> dict[str, dict[int, VersionStatus] | ModelServerError]:
        """Return the states of each replica's versions, or its error."""
        return self.each(self._statuses_or_error)

    def served_versions(self) -> dict[str, ServedVersions | ModelServerError]:
        """Return the versions that each serves and the one that its label ``stable`` names, or its error."""

        def served(server: str) -> ServedVersions | ModelServerError:
            try:
                return self._status[server].served_versions(self.model_name)
            except ModelServerError as error:
                return error

        return self.each(served)

    def loading(
        self, version: int, servers: Sequence[str] | None = None, *, timeout_s: float, or_unseen: bool = False
    ) -> list[str]:
        """
        Return the replicas that are loading ``version`` now.

        :param servers: only of these; absent: of all.
        :param timeout_s: seconds to wait for their answers.
        :param or_unseen: also return those that do not know it yet.
        """
        asked = self.servers if servers is None else tuple(servers)
        futures = {server: self._pool.submit(self._statuses_or_error, server) for server in asked}
        wait(futures.values(), timeout_s)
        answers = {server: future.result() for server, future in futures.items() if future.done()}
        return [server for server, answer in answers.items() if _is_loading(answer, version, or_unseen=or_unseen)]

    def wait_until_serving(  # noqa: PLR0913  # keyword-only options
        self,
        version: int,
        *,
        servers: Sequence[str] | None = None,
        timeout_s: float,
        unreachable_grace_s: float | None,
        answered_before: Mapping[str, bool] | None = None,
        cancelled: threading.Event | None = None,
        settle_on_failure: bool = True,
        highest: bool = True,
    ) -> dict[str, WaitOutcome]:
        """
        Wait until ``version`` serves everywhere, or until one replica settles that it will not.

        :param servers: only on these; absent: on all.
        :param answered_before: replica -> whether it answered before the wait, if that is known. One that did and is
            silent has crashed; one that did not gets ``unreachable_grace_s`` to begin.
        :param settle_on_failure: False: wait for the others to the end all the same.
        :param highest: it must be the highest that is AVAILABLE there.
        :return: each replica's outcome, also of those that were still waiting when another failed.
        """
        settled, known = threading.Event(), answered_before or {}
        stops = [settled] if cancelled is None else [settled, cancelled]
        begin = functools.partial(
            VersionWait, version, started_s=time.monotonic(), timeout_s=timeout_s, highest=highest
        )
        futures = {}
        for server in self.servers if servers is None else servers:
            version_wait = begin(unreachable_grace_s=unreachable_grace_s, answered_before=known.get(server))
            futures[self._pool.submit(self._watch, server, version_wait, stops)] = server
        try:
            for future in as_completed(futures):
                if settle_on_failure and future.result().kind != "serving":
                    settled.set()
        finally:
            settled.set()  # an exception of a signal handler, such as a task's timeout, ends the watching as well
        return {server: future.result() for future, server in futures.items()}

    def _watch(self, server: str, wait: VersionWait, stops: Sequence[threading.Event]) -> WaitOutcome:
        while True:
            answer, now_s = self._statuses_or_error(server), time.monotonic()
            if isinstance(answer, ModelServerError):
                outcome = wait.on_error(answer, now_s=now_s)
            else:
                outcome = wait.on_statuses(answer, now_s=now_s)
            if outcome.final or any(stop.is_set() for stop in stops):
                return outcome
            stops[0].wait(_POLL_S)

    def _statuses_or_error(self, server: str) -> dict[int, VersionStatus] | ModelServerError:
        try:
            return self._status[server].version_statuses(self.model_name)
        except ModelServerError as error:
            return error


def check_servers(servers: Sequence[str], credentials: Credentials = NO_CREDENTIALS) -> None:
    """
    Validate the server URLs without contacting them.

    :raises UsageError: the list is empty, one is not a URL or must not get the login, or one is named twice.
    """
    if not servers:
        raise UsageError("Name at least one Model Server: --server http://localhost:8501")
    if len(set(servers)) != len(servers):
        raise UsageError(f"A server is named twice: {', '.join(servers)}.")
    for server in servers:
        ModelServerClient(server, credentials=credentials).close()


def _is_loading(answer: dict[int, VersionStatus] | ModelServerError, version: int, *, or_unseen: bool) -> bool:
    if isinstance(answer, ModelServerError):
        return False
    status = answer.get(version)
    return or_unseen if status is None else status.loading


def describe_outcomes(outcomes: Mapping[str, WaitOutcome]) -> str:
    """Return one line with the outcome on each replica, failures first."""
    rank = {"waiting": 1, "serving": 2}
    ordered = sorted(outcomes.items(), key=lambda item: rank.get(item[1].kind, 0))
    return "; ".join(f"{server}: {_words(outcome)}" for server, outcome in ordered)


def as_sentence(text: str) -> str:
    """Return the text on one line, with a full stop unless it ends in a mark of its own."""
    line = " ".join(text.split())
    return line if line.endswith((".", "?", "!")) else f"{line}."


def _words(outcome: WaitOutcome) -> str:
    words = " ".join(outcome.words.split()).rstrip(".")
    if outcome.kind == "serving":
        return f"AVAILABLE after {outcome.at_s:.1f} s"
    if outcome.kind == "waiting":
        return f"not waited for after {outcome.at_s:.1f} s ({words})"
    if outcome.kind == "silent":
        return words
    prefix = {"load_failed": "could not load it", "crashed": "crashed", "timed_out": "did not serve it in time"}
    return f"{prefix[outcome.kind]}: {words}"
