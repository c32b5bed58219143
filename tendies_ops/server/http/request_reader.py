"""
Requests parsed by llhttp, the parser of Node.js, with a limit for every part.

llhttp rejects requests that two parsers could read differently: Content-Length next to Transfer-Encoding, a second
Content-Length, blanks before a colon, folded headers, lines that end without a carriage return.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import httptools

from tendies_ops.server.http.http_message import Request, parse_target

MAX_TARGET_BYTES: Final = 64 << 10
#: Limit of a head, and of everything that a client sends between two pieces of a body.
MAX_HEAD_BYTES: Final = 1 << 20
MAX_BODY_BYTES: Final = 1 << 30
MAX_BODIES_BYTES: Final = 2 << 30  # of all connections together, from the first byte of a body until its answer

#: Shorter pieces are joined: as objects of their own they would need more memory than their content.
_LONG_PIECE_BYTES: Final = 4 << 10
_METHODS: Final = frozenset({"GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"})
_READ_HEADERS: Final = frozenset({"content-encoding", "content-length", "expect", "origin", "transfer-encoding"})


class _RefusedError(Exception):
    """Stops the parser; the reader has the status."""


@dataclass
class Bodies:
    """The memory that all connections of a server use for request bodies."""

    limit_bytes: int = MAX_BODIES_BYTES
    held_bytes: int = 0


class RequestReader:
    """
    Parses the requests of one connection.

    ``refusal`` is the HTTP status that rejects the connection, 0 if nothing does. Nothing after it is parsed.

    :param bodies: shared by all readers; the caller subtracts the length of a body once its request is answered.
    """

    def __init__(self, bodies: Bodies | None = None) -> None:
        self.refusal = 0
        self._bodies = bodies or Bodies()
        self._found: list[Request] = []
        self._parser: Any = httptools.HttpRequestParser(self)
        self._clear()

    def _clear(self) -> None:
        self.is_in_head = False
        self.is_in_body = False
        self._target = bytearray()
        self._headers: dict[str, str] = {}
        self._route = ""
        self._body: list[bytes | bytearray] = []
        self._body_bytes = 0
        self._length = 0  # of the body, if the head has it
        self._bytes_between = 0  # since the request or the last piece of its body began

    @property
    def body_bytes_left(self) -> int:
        """Return the number of bytes of a body that are missing; 0 if its length is unknown."""
        return max(0, self._length - self._body_bytes)

    def drop_body(self) -> None:
        """Discard the part of a body that was received."""
        self._bodies.held_bytes -= self._body_bytes
        self._clear()

    def must_continue(self) -> bool:
        """Return True, once per request, if the client waits for ``100 Continue`` before sending the body."""
        return self.is_in_body and self._headers.pop("expect", None) is not None and not self._body

    def feed(self, data: memoryview) -> list[Request]:
        """
        Parse the next bytes, in time linear in their number.

        :return: the requests that are complete now. ``refusal`` is set if the bytes after them were rejected.
        """
        self._found = []
        if self.is_in_head or self.is_in_body:
            self._bytes_between += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._ignore_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self.refusal = self.refusal or 400
        if self._bytes_between > MAX_HEAD_BYTES and not self.refusal:
            self.refusal = 431 if self.is_in_head else 413
        return self._found

    def _ignore_upgrade(self, rest: memoryview) -> None:
        """Ignore the offer of another protocol; it needs no answer."""
        found = self._found
        self._parser = httptools.HttpRequestParser(self)
        self._found = found + (self.feed(rest) if rest else [])

    # The parser calls the methods below.

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._clear()
        self.is_in_head = True

    def on_url(self, piece: bytes) -> None:
        """Add a piece of the target."""
        self._target += piece
        if len(self._target) > MAX_TARGET_BYTES:
            self._refuse(414)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header that is used; trailers are not."""
        key = name.decode("latin-1").lower()
        if self.is_in_head and key in _READ_HEADERS:
            self._headers.setdefault(key, value.decode("latin-1"))

    def on_headers_complete(self) -> None:
        """Reject unsupported requests before their body is received."""
        self.is_in_head, self.is_in_body = False, True
        self._bytes_between = 0
        if self._parser.get_http_version() not in ("1.0", "1.1"):
            self._refuse(505)
        if self._parser.get_method().decode() not in _METHODS:
            self._refuse(501)
        target = parse_target(self._target.decode("latin-1"))
        if target is None:
            self._refuse(400)
        self._route = target or self._route
        self._check_body()

    def _check_body(self) -> None:
        self._length = int(self._headers.get("content-length", "0"))
        coding = self._headers.get("transfer-encoding")
        if coding is not None and (coding.lower() != "chunked" or self._parser.get_http_version() == "1.0"):
            self._refuse(501)
        if self._length > MAX_BODY_BYTES:
            self._refuse(413)
        has_body = coding is not None or self._length > 0
        if has_body and self._parser.should_upgrade():
            self._refuse(501)  # the parser would treat the body as data of the other protocol
        if not has_body or self._parser.get_http_version() == "1.0":
            self._headers.pop("expect", None)
        if self._headers.get("expect", "100-continue").lower() != "100-continue":
            self._refuse(417)

    def on_body(self, piece: bytes) -> None:
        """Add a piece of the body."""
        self._bytes_between = 0
        if self._bodies.held_bytes + len(piece) > self._bodies.limit_bytes:
            self._refuse(503)
        self._bodies.held_bytes += len(piece)
        self._body_bytes += len(piece)
        if len(piece) >= _LONG_PIECE_BYTES:
            self._body.append(piece)
        elif self._body and isinstance(self._body[-1], bytearray):
            self._body[-1] += piece
        else:
            self._body.append(bytearray(piece))
        if self._body_bytes > MAX_BODY_BYTES:
            self._refuse(413)

    def on_message_complete(self) -> None:
        """Finish the request."""
        parser = self._parser
        method = parser.get_method().decode()
        is_1_1 = parser.get_http_version() == "1.1"
        self._found.append(
            Request(
                method, self._route, self._headers, b"".join(self._body), is_1_1, keep_alive=parser.should_keep_alive()
            )
        )
        self._clear()

    def _refuse(self, status: int) -> None:
        self.refusal = status
        raise _RefusedError
