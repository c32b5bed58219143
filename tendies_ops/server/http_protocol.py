"""
HTTP/1.x connections as libevent 2.1 serves them: its leniencies, its HTML error pages, its order of headers.

One request at a time on a connection; what a client sends ahead waits. A body of known length is received where it
will be read, without a copy.
Source: libevent 2.1.12 http.c, and recorded exchanges.
"""

from __future__ import annotations

import asyncio
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Final

from tendies_ops.server.routes import Target, parse_target

_READ_SIZE_BYTES: Final = 1 << 16
_FIRST_BODY_BYTES: Final = 1 << 26  # memory taken on a client's word alone
_MAX_UNZIPPED_BYTES: Final = 100 << 20  # gzip_zlib.h, kMaxUncompressedBytes
_MAX_HEAD_BYTES: Final = 1 << 26  # libevent knows no limit; memory does
_REASONS: Final = {
    200: "OK", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 409: "Conflict",
    429: "Too Many Requests", 499: "Client Closed Request", 500: "Internal Server Error", 501: "Not Implemented",
    503: "Service Unavailable", 504: "Gateway Time-out",
}  # fmt: skip
_METHODS: Final = ("GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH")
_REQUEST_LINE: Final = re.compile(r"(\S+) (\S+) HTTP/(\d)\.(\d)")
_DIGITS: Final = re.compile(r"[0-9]+", re.ASCII)


@dataclass
class Request:
    """One request."""

    method: str
    target: Target
    version: tuple[int, int]
    headers: Mapping[str, str]  #: names in lower case; of a repeated one the first
    body: bytes | bytearray = b""

    @property
    def keep_alive(self) -> bool:
        """Whether the connection stays open behind the answer."""
        connection = self.headers.get("connection", "").lower()
        if self.version < (1, 1):
            return connection == "keep-alive"
        return connection != "close"


@dataclass(frozen=True)
class Response:
    """One answer; ``headers`` come before Date and Content-Length."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = field(default=())


Handler = Callable[[Request, Callable[[Response], None]], None]


def html_error(status: int) -> Response:
    """Libevent's own page."""
    reason = _REASONS[status]
    page = f"<HTML><HEAD>\n<TITLE>{status} {reason}</TITLE>\n</HEAD><BODY>\n<H1>{reason}</H1>\n</BODY></HTML>\n"
    return Response(status, page.encode(), (("Content-Type", "text/html"), ("Connection", "close")))


class HttpProtocol(asyncio.BufferedProtocol):
    """
    One connection.

    :param handler: gets each request and a function to answer it with, on the loop's thread, now or later.
    """

    def __init__(self, handler: Handler, connections: set[HttpProtocol]) -> None:
        self._handler = handler
        self._connections = connections
        self._transport: asyncio.Transport | None = None
        self._read_buffer = bytearray(_READ_SIZE_BYTES)
        self._ahead = bytearray()  # received, not yet looked at
        self._scanned = 0  # how much of it holds no end of a head
        self._request: Request | None = None
        self._body = bytearray()
        self._received = 0
        self._length = 0
        self._body_view: memoryview | None = None
        self._chunked = False
        self.busy = False  # a request is being answered
        self.closing = False

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
        self.closing = True
        if not self.busy and self._transport is not None:
            self._transport.close()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the next bytes go: into the body itself where that is known."""
        if self._length > self._received and not self.busy:
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
        if not self.busy:
            self._advance()
        elif len(self._ahead) > _READ_SIZE_BYTES and self._transport is not None:
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        """Half-closed clients still get their answer."""
        return self.busy

    def _advance(self) -> None:
        """Go on with what has been received ahead."""
        if self._request is None and not self._read_head():
            return
        if self._chunked:
            self._read_chunks()
        elif not self.busy and self._request is not None:
            self._take_body()

    def _read_head(self) -> bool:
        """Whether a request's head is complete and good."""
        while self._ahead[:1] in (b"\r", b"\n"):  # blank lines before a request are skipped
            del self._ahead[:1]
        end, size = _head_end(self._ahead, max(0, self._scanned - 3))
        if end < 0:
            self._scanned = len(self._ahead)
            if self._scanned > _MAX_HEAD_BYTES:
                self._refuse(400)
            return False
        head = bytes(self._ahead[:end])
        del self._ahead[: end + size]
        self._scanned = 0
        return self._begin(head)

    def _begin(self, head: bytes) -> bool:
        request = parse_head(head)
        if isinstance(request, int):
            self._refuse(request)
            return False
        self._chunked = request.headers.get("transfer-encoding", "").lower() == "chunked"
        length = request.headers.get("content-length", "0")
        if not self._chunked and not _DIGITS.fullmatch(length):
            self._refuse(400)
            return False
        self._request = request
        self._length = 0 if self._chunked else int(length)
        if "100-continue" in request.headers.get("expect", "").lower() and request.version >= (1, 1):
            self._write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return True

    def _take_body(self) -> None:
        """What has come of the body already, and room for the rest."""
        have = min(self._length, len(self._ahead))
        self._body = self._ahead[:have]
        del self._ahead[:have]
        self._received = have
        if have == self._length:
            self._complete()
        else:
            self._body.extend(bytes(min(self._length, _FIRST_BODY_BYTES) - have))

    def _read_chunks(self) -> None:
        while True:
            line_end = self._ahead.find(b"\n")
            if line_end < 0:
                return
            try:
                size = int(self._ahead[:line_end].split(b";")[0].strip() or b"x", 16)
            except ValueError:
                self._refuse(400)
                return
            if size == 0:
                if self._end_of_trailer(line_end + 1):
                    self._complete()
                return
            if len(self._ahead) < line_end + 1 + size + 1:
                return
            self._body += self._ahead[line_end + 1 : line_end + 1 + size]
            rest = self._ahead[line_end + 1 + size :]
            self._ahead = rest.removeprefix(b"\r").removeprefix(b"\n")

    def _end_of_trailer(self, start: int) -> bool:
        """Step over the trailer; whether it is all there."""
        while True:
            end = self._ahead.find(b"\n", start)
            if end < 0:
                return False
            line = self._ahead[start:end].strip()
            start = end + 1
            if not line:
                del self._ahead[:start]
                return True

    def _complete(self) -> None:
        request = self._request
        assert request is not None
        request.body = _unzipped(self._body) if "gzip" in request.headers.get("content-encoding", "") else self._body
        self._request, self._body, self._received, self._length, self._chunked = None, bytearray(), 0, 0, False
        self.busy = True
        self._handler(request, lambda response: self._answer(request, response))

    def _answer(self, request: Request, response: Response) -> None:
        close = not request.keep_alive or ("Connection", "close") in response.headers or self.closing
        self._write(_head_of(request, response, closing=close), response.body)
        self.busy = False
        if self._transport is None:
            return
        if close:
            self._transport.close()
            return
        self._transport.resume_reading()
        if self._ahead:
            self._advance()

    def _refuse(self, status: int) -> None:
        """Answer what is not HTTP, and close."""
        response = html_error(status)
        request = Request("GET", Target("", ""), (1, 1), {})
        self._write(_head_of(request, response, closing=True), response.body)
        if self._transport is not None:
            self._transport.close()

    def _write(self, *parts: bytes) -> None:
        if self._transport is not None:
            self._transport.write(b"".join(parts))


def _head_end(data: bytearray, start: int) -> tuple[int, int]:
    """Where the head's last line ends, and how long the blank line behind it is; -1 where it has not come."""
    ends = [(data.find(mark, start), len(mark)) for mark in (b"\r\n\r\n", b"\n\n", b"\n\r\n")]
    return min((found for found in ends if found[0] >= 0), default=(-1, 0))


def parse_head(head: bytes) -> Request | int:
    """
    Read a request line and its headers.

    :return: the HTTP status to refuse it with, where it is none.
    """
    lines = head.decode("latin-1").replace("\r\n", "\n").split("\n")
    match = _REQUEST_LINE.fullmatch(lines[0])
    if match is None or match[3] != "1":
        return 400
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            return 400
        headers.setdefault(name.strip().lower(), value.strip())
    if match[1] not in _METHODS:
        return 501
    target = parse_target(match[2])
    return 400 if target is None else Request(match[1], target, (int(match[3]), int(match[4])), headers)


def _head_of(request: Request, response: Response, *, closing: bool) -> bytes:
    """Status line and headers, in libevent's order."""
    major, minor = request.version
    lines = [f"HTTP/{major}.{minor} {response.status} {_REASONS.get(response.status, 'Unknown')}"]
    lines += [f"{name}: {value}" for name, value in response.headers]
    has_length = request.method != "HEAD"
    if request.version >= (1, 1):
        lines.append("Date: " + formatdate(usegmt=True))
    elif request.keep_alive:
        lines.append("Connection: keep-alive")
    else:
        has_length = False
    if has_length:
        lines.append(f"Content-Length: {len(response.body)}")
    if not any(name == "Content-Type" for name, _ in response.headers):
        lines.append("Content-Type: text/html; charset=ISO-8859-1")
    if closing and request.headers.get("connection", "").lower() == "close":
        lines.append("Connection: close")
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _unzipped(body: bytearray) -> bytes:
    """A gzip body unpacked; anything that does not unpack counts as no body."""
    unzip = zlib.decompressobj(wbits=31)
    try:
        content = unzip.decompress(body, _MAX_UNZIPPED_BYTES + 1)
    except zlib.error:
        return b""
    return content if unzip.eof and len(content) <= _MAX_UNZIPPED_BYTES else b""
