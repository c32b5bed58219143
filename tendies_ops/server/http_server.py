"""The REST port: an event loop that receives and sends, and threads that answer."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tendies_ops.server.body_buffers import BodyBuffers
from tendies_ops.server.http_message import Request, Response, html_error
from tendies_ops.server.http_protocol import HttpProtocol, Respond
from tendies_ops.server.metrics import Metrics
from tendies_ops.server.rest_handler import RestHandler

log = logging.getLogger(__name__)

READY_PATH = "/readyz"  # the embedded server's own
_JSON = ("Content-Type", "application/json")
_TEXT = ("Content-Type", "text/plain")
_CORS = (
    ("Access-Control-Allow-Origin", "*"),
    ("Access-Control-Allow-Methods", "POST, GET"),
    ("Access-Control-Allow-Headers", "Content-Type"),
)


@dataclass(frozen=True)
class HttpSettings:
    """
    How the port serves.

    :param num_threads: the real server's event loop occupies one of them; here one fewer answers too.
    :param prometheus_path: None serves no metrics.
    """

    num_threads: int
    prometheus_path: str | None = None
    cors: bool = False


class HttpServer:
    """
    Serves a handler.

    :param ready: whether all that is configured can be used.
    """

    def __init__(
        self, rest: RestHandler, settings: HttpSettings, *, metrics: Metrics, ready: Callable[[], bool]
    ) -> None:
        self._rest = rest
        self._settings = settings
        self._metrics = metrics
        self._ready = ready
        self._pool = ThreadPoolExecutor(max(1, settings.num_threads - 1), thread_name_prefix="rest")
        self._connections: set[HttpProtocol] = set()
        self._buffers = BodyBuffers()
        self._server: asyncio.Server | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._draining = False

    async def start(self, host: str, port: int) -> int:
        """
        Open the port.

        :return: its number (the one chosen, for 0).
        :raises OSError: it cannot be opened.
        """
        self._loop = asyncio.get_running_loop()
        self._server = await self._loop.create_server(
            lambda: HttpProtocol(self._handle, self._connections, self._buffers), host, port, backlog=1024
        )
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    async def drain(self) -> None:
        """Take no new connections, answer what has been asked, close."""
        self._draining = True
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections):
            connection.drain()
        while self._connections:
            await asyncio.sleep(0.01)
        self._pool.shutdown()

    def _handle(self, request: Request, respond: Respond) -> None:
        target = request.target
        if target.path == READY_PATH:
            respond(self._readiness())
        elif target.path == self._settings.prometheus_path:
            respond(self._metrics_page(target.whole))
        elif target.is_rest:
            self._pool.submit(self._work, request, respond)
        else:
            respond(html_error(404))

    def _readiness(self) -> Response:
        ready = self._ready() and not self._draining
        return Response(200 if ready else 503, b"ready\n" if ready else b"not ready\n", (_TEXT,))

    def _metrics_page(self, target: str) -> Response:
        path = self._settings.prometheus_path
        if target != path:
            return Response(400, f"Unexpected path: {target}. Should be {path}".encode("utf-8", "replace"), (_TEXT,))
        return Response(200, self._metrics.page(), (_TEXT,))

    def _work(self, request: Request, respond: Respond) -> None:
        response = self._response(request)
        assert self._loop is not None
        self._loop.call_soon_threadsafe(respond, response)

    def _response(self, request: Request) -> Response:
        cors = _CORS if self._settings.cors else ()
        if request.method == "OPTIONS":
            origin = request.headers.get("origin", "")
            allowed = "http://" in origin or "https://" in origin
            self._metrics.count("request_count", model_name="", status="OK" if allowed else "FAILED_PRECONDITION")
            return Response(200 if allowed else 400, b"", cors)
        begin = time.perf_counter()
        answer = self._rest.answer(request.method, request.target.whole, request.content())
        elapsed_us = (time.perf_counter() - begin) * 1e6
        if answer.http_status == 200:
            self._metrics.observe(
                "request_latency", elapsed_us, model_name=answer.model_name, API=answer.method, entrypoint="REST"
            )
        self._metrics.count("request_count", model_name=answer.model_name, status=answer.code)
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
