"""The paths of the port: the REST API below ``/v1/``, the metrics page, and readiness."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tendies_ops.server.http.http_message import Request, Response, html_error
from tendies_ops.server.prometheus import Metrics
from tendies_ops.server.rest.rest_handler import RestHandler

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

    :param ready: returns True if every configured model can be used.
    :param prometheus_path: path of the metrics page; None for no page.
    :param cors: send CORS headers with every answer.
    """

    rest: RestHandler
    metrics: Metrics
    ready: Callable[[], bool]
    prometheus_path: str | None = None
    cors: bool = False

    def answer_now(self, request: Request) -> Response | None:
        """Answer requests that need no work; return None for those of the REST API."""
        path = re.split("[?#]", request.target, maxsplit=1)[0]
        if path == READY_PATH:
            return Response(200, b"ready\n", (_TEXT,)) if self.ready() else Response(503, b"not ready\n", (_TEXT,))
        if path == self.prometheus_path:
            if request.target == path:
                return Response(200, self.metrics.page(), (_TEXT,))
            text = f"Unexpected path: {request.target}. Should be {path}"
            return Response(400, text.encode("utf-8", "replace"), (_TEXT,))
        return None if _REST.fullmatch(request.target) else html_error(404)

    def answer(self, request: Request) -> Response:
        """Answer a request of the REST API; never raises."""
        cors = _CORS if self.cors else ()
        if request.method == "OPTIONS":
            origin = request.headers.get("origin", "")
            allowed = "http://" in origin or "https://" in origin
            self.metrics.count("request_count", model_name="", status="OK" if allowed else "FAILED_PRECONDITION")
            return Response(200 if allowed else 400, b"", cors)
        status, body = self.rest.answer(request)
        return Response(status, body, (_JSON, *cors))
