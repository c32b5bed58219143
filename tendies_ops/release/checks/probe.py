"""Measure what a swap costs clients: one client sends requests to every replica all the time."""

from __future__ import annotations

import itertools
import math
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import psutil

from tendies_ops.errors import ModelServerError, RequestRefusedError
from tendies_ops.release.replicas.ask import fit_of_refusal
from tendies_ops.release.replicas.fleet import Fleet
from tendies_ops.release.replicas.golden_images import GoldenImage

_PAUSE_S = 0.05  # 20 requests a second are enough for a p99 and no load
_REPETITIONS = 4  # of a refused picture, before the refusal counts
_TAIL_REQUESTS = 5  # at least this many after the swap, to notice a version that is slow
_TAIL_S = 3.0
_TIMELINE_POINTS = 120  # a few kilobytes: the report goes into an XCom
_LAST_ANSWERS_S = 5.0  # for requests that are under way when the probe ends
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True)
class Request:
    """One request of the probe."""

    started_s: float
    took_s: float
    failure: str  #: empty: it was answered
    foreign: bool = False  #: the refusal was about another client's picture, which the server had merged with this one


class SwapProbe:
    """
    Send a golden image to each replica, without a version, as clients do. A context manager.

    :param servers: the replicas that serve something before the swap.
    :param picture: one that both versions accept.
    :param label: the label that clients ask for; None: none.
    """

    def __init__(self, fleet: Fleet, servers: Sequence[str], picture: GoldenImage, *, label: str | None = None) -> None:
        self._fleet, self._picture, self._label = fleet, picture, label
        self._requests: dict[str, list[Request]] = {server: [] for server in servers}
        self._memory = {server: pid for server in servers if (pid := server_pid(server)) is not None}
        self._rss_bytes: dict[str, list[tuple[float, int]]] = {server: [] for server in self._memory}
        self._stop = threading.Event()
        self._asked_s: dict[str, float] = {}  # since when a server has been waited for
        self._threads = [threading.Thread(target=self._ask, args=(server,), daemon=True) for server in servers]
        self._renamed_s = math.inf
        self._available_s = math.inf

    def __enter__(self) -> SwapProbe:
        for server in list(self._memory):
            self._weigh(server)
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        ended_s = time.monotonic()
        for thread in self._threads:
            thread.join(max(0.0, ended_s + _LAST_ANSWERS_S - time.monotonic()))
        while self._asked_s:
            server, asked_s = self._asked_s.popitem()
            self._requests[server].append(Request(asked_s, time.monotonic() - asked_s, "not answered"))

    def renamed(self) -> None:
        """Note that the new version has just become visible."""
        self._renamed_s = time.monotonic()

    def available(self) -> None:
        """Note that the version serves everywhere, and wait for some more requests, which measure it."""
        self._available_s = time.monotonic()
        deadline_s = self._available_s + _TAIL_S
        while time.monotonic() < deadline_s and not self._has_tail():
            time.sleep(_PAUSE_S)

    def report(self) -> dict[str, Any]:
        """Return requests, failures, p50 and p99 in ms before, during and after the swap, and memory in MB if local."""
        requests = [request for found in self._requests.values() for request in list(found)]
        failures = [r for r in requests if r.failure]
        return {
            "requests": len(requests),
            "failed": len(failures),
            "failed_by_swap": sum(self._by_swap(list(found)) for found in self._requests.values()),
            "failed_for_others": sum(r.foreign for r in failures),
            "failures": sorted({r.failure for r in failures if not r.foreign})[:3],
            "before": _latencies([r for r in requests if r.started_s < self._renamed_s]),
            "during": _latencies([r for r in requests if self._renamed_s <= r.started_s < self._available_s]),
            "after": _latencies([r for r in requests if r.started_s >= self._available_s]),
            "memory_mb": {server: self._memory_of(samples) for server, samples in self._rss_bytes.items()},
            "timeline": _timeline(requests, self._renamed_s),
        }

    def _by_swap(self, requests: Sequence[Request]) -> int:
        """
        Count the failures since the rename that the swap caused.

        A replica that failed from the first request on was unhealthy before.
        """
        since_an_answer = itertools.dropwhile(lambda request: request.failure, requests)
        since_rename = [r for r in since_an_answer if r.started_s + r.took_s >= self._renamed_s]
        return sum(bool(r.failure) and not r.foreign for r in since_rename)

    def _ask(self, server: str) -> None:
        while not self._stop.is_set():
            self._asked_s[server] = started_s = time.monotonic()
            error = self._ask_once(server)
            took_s = time.monotonic() - started_s
            foreign = error is not None and self._is_foreign(server, error)
            if self._asked_s.pop(server, None) is None:
                return  # the probe has ended without this answer
            self._requests[server].append(Request(started_s, took_s, "" if error is None else str(error), foreign))
            self._weigh(server)
            self._stop.wait(_PAUSE_S)

    def _ask_once(self, server: str) -> ModelServerError | None:
        try:
            self._fleet.predictors[server].predict_rows(
                self._fleet.model_name, [self._picture.input], label=self._label, inputs=[self._picture.inputs]
            )
        except ModelServerError as error:
            return error
        return None

    def _is_foreign(self, server: str, error: ModelServerError) -> bool:
        """
        Return True if a refusal was not about the probe's picture: by its message, or because the picture passes later.

        A server with ``--enable_batching`` refuses all requests that it has merged. Any other error counts as a
        failure, whatever follows.
        """
        for _ in range(_REPETITIONS):
            if not isinstance(error, RequestRefusedError):
                return False
            if fit_of_refusal(error, [self._picture]) == "foreign":
                return True
            self._stop.wait(_PAUSE_S)
            later = self._ask_once(server)
            if later is None:
                return True
            error = later
        return False

    def _weigh(self, server: str) -> None:
        if server not in self._memory:
            return
        try:
            self._rss_bytes[server].append((time.monotonic(), psutil.Process(self._memory[server]).memory_info().rss))
        except psutil.Error:
            self._memory.pop(server, None)  # it has stopped; the release itself reports that

    def _has_tail(self) -> bool:
        return all(
            sum(request.started_s >= self._available_s for request in list(found)) >= _TAIL_REQUESTS
            for found in self._requests.values()
        )

    def _memory_of(self, samples: list[tuple[float, int]]) -> dict[str, float]:
        before = [rss for at_s, rss in samples if at_s < self._renamed_s]
        if not before:
            return {}
        peak, now = max(rss for _, rss in samples), samples[-1][1]
        return {"before": round(before[-1] / 1e6, 1), "peak": round(peak / 1e6, 1), "after": round(now / 1e6, 1)}


def server_pid(server: str) -> int | None:
    """Return the pid of the process that listens at ``server``, if it runs on this machine and is visible."""
    parts = urlsplit(server)
    if parts.hostname not in _LOOPBACK:
        return None
    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.Error:
        return None
    listening = (c for c in connections if c.status == psutil.CONN_LISTEN and c.pid)
    return next((c.pid for c in listening if c.laddr and c.laddr[1] == parts.port), None)


def _timeline(requests: Sequence[Request], renamed_s: float) -> list[tuple[float, float, bool]]:
    """
    Return (seconds after the rename, ms, failed) for a chart: the slowest or a failed request of each of 120 intervals.

    Without a rename the seconds count from the first request.
    """
    if not requests:
        return []
    found = sorted(requests, key=lambda request: request.started_s)
    zero_s = renamed_s if math.isfinite(renamed_s) else found[0].started_s
    stride = math.ceil(len(found) / _TIMELINE_POINTS)
    stretches = [found[start : start + stride] for start in range(0, len(found), stride)]
    kept = [max(part, key=lambda request: (bool(request.failure), request.took_s)) for part in stretches]
    return [(round(r.started_s - zero_s, 2), round(1000 * r.took_s, 1), bool(r.failure)) for r in kept]


def _latencies(requests: list[Request]) -> dict[str, float | int]:
    took_ms = sorted(r.took_s * 1000 for r in requests if not r.failure)
    if not took_ms:
        return {"requests": len(requests)}
    return {"requests": len(requests), "p50_ms": _quantile(took_ms, 0.50), "p99_ms": _quantile(took_ms, 0.99)}


def _quantile(ordered: list[float], q: float) -> float:
    """Return the smallest value that at least a share ``q`` of all does not exceed (nearest rank)."""
    return round(ordered[max(0, math.ceil(q * len(ordered)) - 1)], 2)
