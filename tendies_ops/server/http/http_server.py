"""The port: an event loop that receives and sends, and threads that answer."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from tendies_ops.server.http.http_message import Request, Response
from tendies_ops.server.http.http_protocol import READ_SIZE_BYTES, HttpProtocol, Respond
from tendies_ops.server.http.request_reader import Bodies

_LOOK_S: Final = 1.0  # interval between two checks for waits that took too long

Answer = Callable[[Request], Response]


class HttpServer:
    """
    Serves HTTP requests with two functions.

    :param answer_now: answers requests that need no work, on the loop's thread; returns None for all others.
    :param answer: answers the others, on one of ``num_threads`` threads.
    """

    def __init__(self, answer_now: Callable[[Request], Response | None], answer: Answer, *, num_threads: int) -> None:
        self._answer_now = answer_now
        self._answer = answer
        self._pool = ThreadPoolExecutor(num_threads, thread_name_prefix="rest")
        self._connections: set[HttpProtocol] = set()
        self._server: asyncio.Server | None = None
        self._watch: asyncio.Task[None] | None = None

    async def start(self, listener: socket.socket) -> None:
        """Listen on a bound socket."""
        buffer, bodies = bytearray(READ_SIZE_BYTES), Bodies()
        self._server = await asyncio.get_running_loop().create_server(
            lambda: HttpProtocol(self._handle, self._connections, buffer, bodies=bodies), sock=listener, backlog=1024
        )
        self._watch = asyncio.create_task(self._end_long_waits())

    async def drain(self) -> None:
        """Accept no new connections, answer the pending requests, and close."""
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections):
            connection.drain()
        while self._connections:
            await asyncio.sleep(0.01)
        if self._watch is not None:
            self._watch.cancel()
        self._pool.shutdown()

    async def _end_long_waits(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_S)
            now_s = time.monotonic()
            for connection in list(self._connections):
                connection.expire(now_s)

    def _handle(self, request: Request, respond: Respond) -> None:
        response = self._answer_now(request)
        if response is not None:
            respond(response)
            return
        loop = asyncio.get_running_loop()
        self._pool.submit(lambda: loop.call_soon_threadsafe(respond, self._answer(request)))
