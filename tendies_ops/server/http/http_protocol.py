"""
One connection: requests in, answers out, one at a time and in order, and an end to every wait.

What a client sends ahead is kept as it came, no more than one read of the socket brings; the next read waits for it.
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
_PIECE_BYTES: Final = 16 << 10  # so few that the requests in them cost no memory to speak of

Respond = Callable[[Response], None]
Handler = Callable[[Request, Respond], None]


@dataclass(frozen=True)
class Patience:
    """
    How long a connection may keep the server waiting, in seconds.

    :param head_s: from a head's first byte to its last.
    :param silence_s: between two pieces of a body, and between two of an answer that are taken.
    :param idle_s: between two requests.
    :param linger_s: how long what a refused client still sends is read, so that it sees the answer.
    """

    head_s: float = 30.0
    silence_s: float = 60.0
    idle_s: float = 600.0
    linger_s: float = 2.0


class HttpProtocol(asyncio.BufferedProtocol):
    """
    One connection.

    :param handler: gets each request and a function to answer it with, on the loop's thread, now or later.
    :param connections: holds every open connection.
    :param buffer: where bytes are received, for all connections of the loop: each read is used up at once.
    :param bodies: what all connections hold.
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
        self._ahead = b""  # received and not read yet
        self._waiting: deque[Request] = deque()
        self._is_answering = False
        self._takes_answers = True  # the client reads what it is sent
        self._half_closed = False  # the client sends no more
        self._draining = False
        self._lingers = False
        self._since_s = time.monotonic()  # what is being waited for now
        self._unsent_bytes = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note the connection."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection; an answer on its way is dropped."""
        self._transport = None
        self._bodies.held_bytes -= sum(len(request.body) for request in self._waiting)
        self._waiting.clear()
        self._reader.drop_body()
        self._connections.discard(self)

    def drain(self) -> None:
        """Close once the answer in progress is out."""
        self._draining = True
        if not self._is_answering and self._transport is not None:
            self._transport.close()

    def pause_writing(self) -> None:
        """Answer nothing more until the client has taken what it was sent."""
        self._takes_answers = False

    def resume_writing(self) -> None:
        """Go on answering."""
        self._takes_answers = True
        self._go_on()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Name the place for the next bytes."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Read what has come."""
        if not self._lingers and self._transport is not None:
            self._read(self._buffer[:nbytes])
            self._go_on()
            if (self._waiting or self._ahead) and self._transport is not None:
                self._transport.pause_reading()

    def _read(self, data: memoryview) -> None:
        """Read up to the end of a request; what is behind it waits until that one is answered."""
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
        """Let half-closed clients have their answer still."""
        self._half_closed = True
        if self._lingers and self._transport is not None:
            self._transport.close()
        self._go_on()
        return True

    def expire(self, now_s: float) -> None:
        """End a wait that has taken too long; asked every second or so."""
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
        else:  # not at once: a thousand requests sent ahead would be a thousand calls inside each other
            asyncio.get_running_loop().call_soon(self._go_on)

    def _refuse(self, status: int) -> None:
        """Answer what cannot be read, and end the connection; what still comes is read and dropped for a while."""
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
