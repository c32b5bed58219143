"""What the port answers: the REST API below ``/v1/``, the metrics page, whether the server is ready."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tendies_ops.server.http.http_message import Request, Response, html_error
from tendies_ops.server.prometheus import Metrics
from tendies_ops.server.rest.rest_handler import RestHandler

log = logging.getLogger(__name__)

READY_PATH: Final = "/readyz"  # the embedded server's own
_REST: Final = re.compile(r"/v1/.*", re.IGNORECASE)
_JSON: Final = ("Content-Type", "application/json")
_TEXT: Final = ("Content-Type", "text/plain")
_CORS: Final = (
    ("Access-Control-Allow-Origin", "*"),
    ("Access-Control-Allow-Methods", "POST, GET"),
    ("Access-Control-Allow-Headers", "Content-Type"),
)


@dataclass(frozen=True)
class Site:
    """
    Every path of the port.

    :param ready: tells whether all that is configured can be used.
    :param prometheus_path: None serves no metrics.
    :param cors: send CORS headers with every answer.
    """

    rest: RestHandler
    metrics: Metrics
    ready: Callable[[], bool]
    prometheus_path: str | None = None
    cors: bool = False

    def answer_now(self, request: Request) -> Response | None:
        """Answer whatever takes no time; None is for the REST API."""
        target = request.target
        if target.path == READY_PATH:
            ready = self.ready()
            return Response(200 if ready else 503, b"ready\n" if ready else b"not ready\n", (_TEXT,))
        if target.path == self.prometheus_path:
            return self._metrics_page(target.whole)
        return None if _REST.fullmatch(target.whole) else html_error(404)

    def _metrics_page(self, target: str) -> Response:
        path = self.prometheus_path
        if target != path:
            return Response(400, f"Unexpected path: {target}. Should be {path}".encode("utf-8", "replace"), (_TEXT,))
        return Response(200, self.metrics.page(), (_TEXT,))

    def answer(self, request: Request) -> Response:
        """Answer a request of the REST API; never raises."""
        cors = _CORS if self.cors else ()
        if request.method == "OPTIONS":
            origin = request.headers.get("origin", "")
            allowed = "http://" in origin or "https://" in origin
            self.metrics.count("request_count", model_name="", status="OK" if allowed else "FAILED_PRECONDITION")
            return Response(200 if allowed else 400, b"", cors)
        begin = time.perf_counter()
        answer = self.rest.answer(request.method, request.target.whole, request.content())
        elapsed_us = (time.perf_counter() - begin) * 1e6
        if answer.http_status == 200:
            self.metrics.observe(
                "request_latency", elapsed_us, model_name=answer.model_name, API=answer.method, entrypoint="REST"
            )
        self.metrics.count("request_count", model_name=answer.model_name, status=answer.code)
        log.debug(
            "%s %s: %d, %d bytes in, %d out, %.1f ms",
            request.method,
            request.target.whole[:200],
            answer.http_status,
            len(request.body),
            len(answer.body),
            elapsed_us / 1e3,
        )
        return Response(answer.http_status, answer.body, (_JSON, *cors))
