"""
HTTP/1.x connections as libevent 2.1 serves them: its leniencies, its order of things.

One request at a time on a connection; what a client sends ahead waits. A body of known length is received where it
will be read, without a copy.
Source: libevent 2.1.12 http.c, and recorded exchanges.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable
from typing import Final

from tendies_ops.server.body_buffers import BodyBuffers
from tendies_ops.server.http_message import Request, Response, html_error, is_hopeless, parse_head, response_head

_READ_SIZE_BYTES: Final = 1 << 16
_FIRST_BODY_BYTES: Final = 1 << 20  # memory taken on a client's word alone
_MAX_HEAD_BYTES: Final = 1 << 26  # libevent knows no limit; memory does
_CHUNK_SIZE: Final = re.compile(rb"[ \t]*\+?(?:0[xX])?([0-9a-fA-F]+)(?: .*)?")

Respond = Callable[[Response], None]
Handler = Callable[[Request, Respond], None]


class HttpProtocol(asyncio.BufferedProtocol):
    """
    One connection.

    :param handler: gets each request and a function to answer it with, on the loop's thread, now or later.
    :param connections: holds every open connection.
    :param buffers: where bodies are received; the handler keeps none of them once it has answered.
    """

    def __init__(self, handler: Handler, connections: set[HttpProtocol], buffers: BodyBuffers) -> None:
        self._handler = handler
        self._connections = connections
        self._buffers = buffers
        self._transport: asyncio.Transport | None = None
        self._read_buffer = bytearray(_READ_SIZE_BYTES)
        self._ahead = bytearray()  # received, not yet looked at
        self._scanned = 0  # how much of it holds no end of a head
        self._request: Request | None = None
        self._body = bytearray()
        self._body_view: memoryview | None = None  # where the transport is writing right now
        self._received = 0
        self._length = 0
        self._chunked = False
        self._busy = False  # a request is being answered
        self._draining = False
        self._half_closed = False  # the client sends no more
        self._will_go_on = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note the connection."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection; an answer on its way is dropped."""
        self._transport = None
        self._connections.discard(self)

    def drain(self) -> None:
        """Close once the answer in progress is out."""
        self._draining = True
        if not self._busy and self._transport is not None:
            self._transport.close()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the next bytes go: into the body itself while one is being received."""
        if self._length > self._received and not self._busy:
            if self._received == len(self._body):
                self._body.extend(bytes(min(len(self._body), self._length - len(self._body))))
            self._body_view = memoryview(self._body)[self._received :]
            return self._body_view
        return memoryview(self._read_buffer)

    def buffer_updated(self, nbytes: int) -> None:
        """Bytes have come."""
        if self._body_view is not None:
            self._body_view.release()
            self._body_view = None
            self._received += nbytes
            if self._received == self._length:
                self._complete()
            return
        self._ahead += memoryview(self._read_buffer)[:nbytes]
        if not self._busy:
            self._advance()
        elif len(self._ahead) > _READ_SIZE_BYTES and self._transport is not None:
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        """Half-closed clients still get their answer."""
        self._half_closed = True
        if not self._busy:
            self._go_on_soon()
        return True

    def _advance(self) -> None:
        """Go on with what has been received ahead."""
        if self._request is None and not self._read_head():
            return
        if self._chunked:
            self._read_chunks()
        elif self._request is not None:
            self._take_body()

    def _read_head(self) -> bool:
        """Whether a request's head is complete and good."""
        end, size = _head_end(self._ahead, max(0, self._scanned - 3))
        if end < 0:
            self._scanned = len(self._ahead)
            if self._scanned > _MAX_HEAD_BYTES or is_hopeless(self._ahead):
                self._refuse(parse_head(bytes(self._ahead.partition(b"\n")[0])), 400)
            return False
        head = bytes(self._ahead[:end])
        del self._ahead[: end + size]
        self._scanned = 0
        request = parse_head(head)
        if request.is_broken:
            self._refuse(request, request.refusal)
            return False
        self._request = request
        return self._expect_body(request)

    def _expect_body(self, request: Request) -> bool:
        """Note how the body comes; whether the request can go on."""
        self._chunked = request.is_chunked
        self._length = request.body_length() or 0
        if (self._length or self._chunked) and "expect" in request.headers and request.version >= (1, 1):
            if request.headers["expect"].lower() != "100-continue":
                self._refuse(request, 417)
                return False
            if not self._ahead:  # a client that has sent its body already waits for nothing
                self._write(b"HTTP/%d.%d 100 Continue\r\n\r\n" % request.version)
        return True

    def _take_body(self) -> None:
        """What has come of the body already, and room for the rest."""
        have = min(self._length, len(self._ahead))
        self._body = self._buffers.take(max(have, min(self._length, _FIRST_BODY_BYTES)))
        self._body[:have] = self._ahead[:have]
        del self._ahead[:have]
        self._received = have
        if have == self._length:
            self._complete()

    def _read_chunks(self) -> None:
        while (line_end := self._ahead.find(b"\n")) >= 0:
            line = bytes(self._ahead[:line_end]).removesuffix(b"\r")
            start = line_end + 1
            if line:
                match = _CHUNK_SIZE.fullmatch(line)
                if match is None:
                    self._refuse_chunks()
                    return
                size = int(match[1], 16)
                if size == 0:
                    if self._end_of_trailer(start):
                        self._complete()
                    return
                if len(self._ahead) < start + size:
                    return
                self._body += self._ahead[start : start + size]
                start += size
            del self._ahead[:start]

    def _end_of_trailer(self, start: int) -> bool:
        """Step over the trailer; whether it is all there."""
        while (end := self._ahead.find(b"\n", start)) >= 0:
            line = self._ahead[start:end].removesuffix(b"\r")
            start = end + 1
            if not line:
                del self._ahead[:start]
                return True
            if b":" not in line and not line.startswith((b" ", b"\t")):
                self._refuse_chunks()
                return False
        return False

    def _refuse_chunks(self) -> None:
        assert self._request is not None
        self._refuse(self._request, 413)  # libevent knows no other failure of chunks than too many

    def _complete(self) -> None:
        request = self._request
        assert request is not None
        request.body = self._body
        self._request, self._body, self._received, self._length, self._chunked = None, bytearray(), 0, 0, False
        self._busy = True
        if request.refusal:
            self._answer(request, html_error(request.refusal))
        else:
            self._handler(request, lambda response: self._answer(request, response))

    def _answer(self, request: Request, response: Response) -> None:
        self._write(response_head(request, response), response.body)
        self._buffers.give(request.body)
        self._busy = False
        if self._transport is None:
            return
        closes = not request.keep_alive or response.closes
        if self._draining or (closes and request.method != "CONNECT"):  # which libevent never closes behind
            self._transport.close()
            return
        self._transport.resume_reading()
        self._go_on_soon()

    def _go_on_soon(self) -> None:
        """Not at once: thousands of requests sent ahead would be thousands of calls inside each other."""
        if not self._will_go_on and (self._ahead or self._half_closed):
            self._will_go_on = True
            asyncio.get_running_loop().call_soon(self._go_on)

    def _go_on(self) -> None:
        self._will_go_on = False
        if self._ahead and not self._busy:
            self._advance()
        if self._half_closed and not self._busy and not self._will_go_on and self._transport is not None:
            self._transport.close()

    def _refuse(self, request: Request, status: int) -> None:
        """Answer what cannot be gone on with, and close."""
        response = html_error(status)
        self._write(response_head(request, response), response.body)
        if self._transport is not None:
            self._transport.close()

    def _write(self, head: bytes, body: bytes = b"") -> None:
        """Send both at once, the body without a copy as far as the system takes it right now."""
        transport = self._transport
        if transport is None:
            return
        sent = 0
        if body and not transport.get_write_buffer_size() and not transport.is_closing():
            try:
                sent = os.writev(transport.get_extra_info("socket").fileno(), (head, body))
            except OSError:
                sent = 0  # the transport meets it again, and knows what it means
        if sent < len(head):
            transport.write(head[sent:] + body)
        elif sent < len(head) + len(body):
            transport.write(memoryview(body)[sent - len(head) :])


def _head_end(data: bytearray, start: int) -> tuple[int, int]:
    """Where the head's last line ends, and how long the blank line behind it is; -1 where it has not come."""
    end = data.find(b"\r\n\r\n", start)
    before = len(data) if end < 0 else end
    others = [(data.find(mark, start, before), len(mark)) for mark in (b"\n\n", b"\n\r\n")]
    return min((found for found in [(end, 4), *others] if found[0] >= 0), default=(-1, 0))
