"""
One connection: requests are answered one at a time and in order, and every wait has a limit.

Pipelined data is kept unparsed, at most one read of the socket; reading pauses until it has been used.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tendies_ops.server.http.http_message import Request, Response, html_error, response_head
from tendies_ops.server.http.request_reader import Bodies, RequestReader

READ_SIZE_BYTES: Final = 256 << 10
_PIECE_BYTES: Final = 16 << 10  # small enough that the requests in it need little memory

Respond = Callable[[Response], None]
Handler = Callable[[Request, Respond], None]


@dataclass(frozen=True)
class Patience:
    """
    Limits of the time that a connection may keep the server waiting.

    :param head_s: from the first byte of a head to its last.
    :param silence_s: between two pieces of a body, and between two pieces of an answer that the client accepts.
    :param idle_s: between two requests.
    :param linger_s: how long a refused client is still read from, so that it receives the answer.
    """

    head_s: float = 30.0
    silence_s: float = 60.0
    idle_s: float = 600.0
    linger_s: float = 2.0


class HttpProtocol(asyncio.BufferedProtocol):
    """
    One connection.

    :param handler: called with each request and a function that sends its answer, now or later, on the loop's thread.
    :param connections: all open connections.
    :param buffer: receives the bytes of all connections of the loop; each read is processed at once.
    :param bodies: the memory that all connections use for bodies.
    """

    def __init__(
        self,
        handler: Handler,
        connections: set[HttpProtocol],
        buffer: bytearray,
        patience: Patience | None = None,
        *,
        bodies: Bodies | None = None,
    ) -> None:
        self._handler = handler
        self._connections = connections
        self._buffer = memoryview(buffer)
        self._patience = patience or Patience()
        self._transport: asyncio.Transport | None = None
        self._bodies = bodies or Bodies()
        self._reader = RequestReader(self._bodies)
        self._ahead = b""  # received and not parsed yet
        self._waiting: deque[Request] = deque()
        self._is_answering = False
        self._takes_answers = True  # the client reads its answers
        self._half_closed = False  # the client has finished sending
        self._draining = False
        self._lingers = False
        self._since_s = time.monotonic()  # the start of the current wait
        self._unsent_bytes = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Register the connection."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection; a pending answer is dropped."""
        self._transport = None
        self._bodies.held_bytes -= sum(len(request.body) for request in self._waiting)
        self._waiting.clear()
        self._reader.drop_body()
        self._connections.discard(self)

    def drain(self) -> None:
        """Close after the answer in progress."""
        self._draining = True
        if not self._is_answering and self._transport is not None:
            self._transport.close()

    def pause_writing(self) -> None:
        """Stop answering until the client has read what was sent."""
        self._takes_answers = False

    def resume_writing(self) -> None:
        """Continue to answer."""
        self._takes_answers = True
        self._go_on()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return the buffer for the next bytes."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Parse the bytes that were received."""
        if not self._lingers and self._transport is not None:
            self._read(self._buffer[:nbytes])
            self._go_on()
            if (self._waiting or self._ahead) and self._transport is not None:
                self._transport.pause_reading()

    def _read(self, data: memoryview) -> None:
        """Parse up to the end of a request; the rest waits until the request is answered."""
        assert self._transport is not None
        was_in_head = self._reader.is_in_head
        while data and not self._waiting and not self._reader.refusal:
            size = min(self._reader.body_bytes_left, len(data)) or _PIECE_BYTES
            self._waiting.extend(self._reader.feed(data[:size]))
            data = data[size:]
        if not (was_in_head and self._reader.is_in_head):
            self._since_s = time.monotonic()
        if self._reader.must_continue():
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._ahead = b"" if self._reader.refusal else bytes(data)

    def eof_received(self) -> bool:
        """Keep the connection open for the answers of a half-closed client."""
        self._half_closed = True
        if self._lingers and self._transport is not None:
            self._transport.close()
        self._go_on()
        return True

    def expire(self, now_s: float) -> None:
        """End a wait that has taken too long; called every second."""
        if self._transport is None or self._is_answering:
            return
        unsent_bytes = self._transport.get_write_buffer_size()
        if unsent_bytes != self._unsent_bytes:
            self._unsent_bytes, self._since_s = unsent_bytes, now_s
        waited_s = now_s - self._since_s
        if self._lingers or unsent_bytes:
            if waited_s > (self._patience.silence_s if unsent_bytes else self._patience.linger_s):
                self._transport.abort()
        elif self._reader.is_in_head or self._reader.is_in_body:
            if waited_s > (self._patience.head_s if self._reader.is_in_head else self._patience.silence_s):
                self._refuse(408)
        elif waited_s > self._patience.idle_s:
            self._transport.close()

    def _go_on(self) -> None:
        """Answer the next request, or wait for one."""
        if self._is_answering or not self._takes_answers or self._lingers or self._transport is None:
            return
        if self._waiting:
            request = self._waiting.popleft()
            self._is_answering = True
            self._handler(request, lambda response: self._answer(request, response))
        elif self._reader.refusal:
            self._refuse(self._reader.refusal)
        elif self._ahead:
            self._read(memoryview(self._ahead))
            asyncio.get_running_loop().call_soon(self._go_on)
        elif self._half_closed:
            self._transport.close()
        else:
            self._transport.resume_reading()

    def _answer(self, request: Request, response: Response) -> None:
        self._is_answering = False
        self._bodies.held_bytes -= len(request.body)
        self._since_s = time.monotonic()
        if self._transport is None:
            return
        keep_alive = request.keep_alive
        head = response_head(response, is_1_1=request.is_1_1, keep_alive=keep_alive)
        self._transport.writelines([head] if request.method == "HEAD" else [head, response.body])
        if self._draining or response.closes or not keep_alive:
            self._transport.close()
        else:  # not at once: a thousand pipelined requests would be a thousand nested calls
            asyncio.get_running_loop().call_soon(self._go_on)

    def _refuse(self, status: int) -> None:
        """Reject a request and end the connection; further data is discarded for a limited time."""
        assert self._transport is not None
        response = html_error(status)
        self._reader.drop_body()
        self._transport.write(response_head(response) + response.body)
        self._since_s = time.monotonic()
        self._lingers = True
        if self._half_closed:
            self._transport.close()
            return
        self._transport.resume_reading()
        try:
            self._transport.write_eof()
        except OSError:  # the client is gone
            self._transport.abort()
