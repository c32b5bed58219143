"""The REST port: an event loop that receives and sends, and threads that answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from tendies_ops.server.http_protocol import HttpProtocol, Request, Response, html_error
from tendies_ops.server.rest_handler import RestHandler

log = logging.getLogger(__name__)

_JSON = (("Content-Type", "application/json"),)


class HttpServer:
    """
    Serves a handler.

    :param num_threads: requests answered at a time. The real server's event loop occupies one of its threads.
    """

    def __init__(self, rest: RestHandler, *, num_threads: int) -> None:
        self._rest = rest
        self._pool = ThreadPoolExecutor(max(1, num_threads - 1), thread_name_prefix="rest")
        self._connections: set[HttpProtocol] = set()
        self._server: asyncio.Server | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def start(self, host: str, port: int) -> int:
        """
        Open the port.

        :return: its number (the one chosen, for 0).
        """
        self._loop = asyncio.get_running_loop()
        self._server = await self._loop.create_server(
            lambda: HttpProtocol(self._handle, self._connections), host, port, backlog=1024
        )
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    async def drain(self) -> None:
        """Take no new connections, answer what has been asked, close."""
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections):
            connection.drain()
        while self._connections:
            await asyncio.sleep(0.01)
        self._pool.shutdown()

    def _handle(self, request: Request, respond: Callable[[Response], None]) -> None:
        if not request.target.is_rest:
            respond(html_error(404))
            return
        self._pool.submit(self._work, request, respond)

    def _work(self, request: Request, respond: Callable[[Response], None]) -> None:
        response = self._response(request)
        request.body = b""
        assert self._loop is not None
        self._loop.call_soon_threadsafe(respond, response)

    def _response(self, request: Request) -> Response:
        if request.method == "OPTIONS":
            origin = request.headers.get("origin", "")
            return Response(200 if "http://" in origin or "https://" in origin else 400)
        answer = self._rest.answer(request.method, request.target.whole, request.body)
        log.debug(
            "%s %s: %d, %d bytes", request.method, request.target.whole[:200], answer.http_status, len(answer.body)
        )
        return Response(answer.http_status, answer.body, _JSON)
