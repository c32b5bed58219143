"""
HTTP/1.x requests and responses as libevent 2.1 reads and writes them: its leniencies, HTML pages, order of headers.

Source: libevent 2.1.12 http.c (evhttp_parse_request_line, evhttp_get_body_length, evhttp_make_header_response,
evhttp_send_page_), and recorded exchanges.
"""

from __future__ import annotations

import functools
import re
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Final

from tendies_ops.server.routes import Target, parse_target

_REASONS: Final = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    409: "Conflict",
    417: "Expectation Failed",
    500: "Internal Server Error",
    501: "Not Implemented",
    503: "Service Unavailable",
    504: "Gateway Time-out",
}
_CLASSES: Final = {2: "Success", 3: "Redirection", 4: "Client Error", 5: "Server Error"}
_METHODS: Final = ("GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH")
_METHODS_WITH_BODY: Final = ("POST", "PUT", "PATCH")
_REQUEST_LINE: Final = re.compile(r"(\S+) (.+) HTTP/(\d{1,4})\.(\d{1,4}) *")
_LENGTH: Final = re.compile(r"[ \t]*(?:\+?([0-9]+)|-0+)", re.ASCII)  # strtoll, and not below 0
_MAX_UNZIPPED_BYTES: Final = 100 << 20  # gzip_zlib.h, kMaxUncompressedBytes
_MAX_LENGTH: Final = (1 << 63) - 1


@dataclass
class Request:
    """
    One request.

    :param headers: names in lower case; of a repeated one the first.
    """

    method: str
    target: Target
    version: tuple[int, int]
    headers: Mapping[str, str]
    body: bytes | bytearray = b""

    @property
    def has_body(self) -> bool:
        """Whether a body is read at all; what follows a GET is the next request."""
        return self.method in _METHODS_WITH_BODY

    @property
    def is_chunked(self) -> bool:
        """Whether the body comes in chunks."""
        return self.has_body and self.headers.get("transfer-encoding", "").lower() == "chunked"

    def body_length(self) -> int | None:
        """
        How long the body is; 0 for a chunked one.

        :return: None where the header that says it cannot be read.
        """
        if not self.has_body or self.is_chunked:
            return 0
        text = self.headers.get("content-length")
        if text is None:
            return 0
        match = _LENGTH.fullmatch(text)
        return None if match is None else min(int(match[1] or 0), _MAX_LENGTH)

    def content(self) -> bytes | bytearray:
        """The body, unpacked where it is gzip; anything that does not unpack counts as no body."""
        if "gzip" not in self.headers.get("content-encoding", ""):
            return self.body
        unzip = zlib.decompressobj(wbits=31)
        try:
            unpacked = unzip.decompress(self.body, _MAX_UNZIPPED_BYTES + 1)
        except zlib.error:
            return b""
        return unpacked if unzip.eof and not unzip.unused_data and len(unpacked) <= _MAX_UNZIPPED_BYTES else b""

    @property
    def asks_close(self) -> bool:
        """Whether the client wants the connection closed. An absolute target makes it a proxy's request."""
        if self.target.is_absolute:
            return self.headers.get("proxy-connection", "").lower() != "keep-alive"
        return self.headers.get("connection", "").lower() == "close"

    @property
    def keep_alive(self) -> bool:
        """Whether the connection stays open behind the answer."""
        return not self.asks_close and (self.version[1] != 0 or self.asks_keep_alive)

    @property
    def asks_keep_alive(self) -> bool:
        """HTTP/1.0's way to keep a connection."""
        return self.headers.get("connection", "").lower().startswith("keep-alive")


@dataclass(frozen=True)
class Response:
    """One answer; ``headers`` come before Date and Content-Length."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = field(default=())
    is_page: bool = False  #: libevent's own HTML page, which is always HTTP/1.1

    @property
    def closes(self) -> bool:
        """Whether the connection ends with it."""
        return ("Connection", "close") in self.headers


def html_error(status: int) -> Response:
    """An HTML page as libevent makes it; the connection ends with it."""
    reason = _reason(status)
    page = f"<HTML><HEAD>\n<TITLE>{status} {reason}</TITLE>\n</HEAD><BODY>\n<H1>{reason}</H1>\n</BODY></HTML>\n"
    return Response(status, page.encode(), (("Content-Type", "text/html"), ("Connection", "close")), is_page=True)


def _reason(status: int) -> str:
    return _REASONS.get(status) or _CLASSES.get(status // 100, "Unknown")


def parse_head(head: bytes) -> Request | int:
    """
    Read a request line and its headers.

    :return: the HTTP status to refuse it with, where it is none.
    """
    first, *rest = head.decode("latin-1").replace("\r\n", "\n").split("\n")
    match = _REQUEST_LINE.fullmatch(first)
    if match is None or int(match[3]) > 1:
        return 400
    headers = _headers(rest)
    if headers is None:
        return 400
    if match[1] not in _METHODS:
        return 501
    target = parse_target(match[2])
    return 400 if target is None else Request(match[1], target, (int(match[3]), int(match[4])), headers)


def _headers(lines: list[str]) -> dict[str, str] | None:
    found: list[list[str]] = []  # name, value
    for line in lines:
        if line.startswith((" ", "\t")):
            if not found:
                return None  # it continues nothing
            found[-1][1] += " " + line.strip(" \t")
            continue
        name, colon, value = line.partition(":")
        if not colon:
            return None
        found.append([name.lower(), value.lstrip(" ").rstrip(" \t")])
    return dict(reversed(found))  # of a repeated name the first one stays


def response_head(request: Request | None, response: Response) -> bytes:
    """
    Status line and headers, in libevent's order.

    :param request: None where what came could not be read.
    """
    major, minor = request.version if request else (1, 1)
    if response.is_page and 0 in (major, minor):
        major = minor = 1
    lines = [f"HTTP/{major}.{minor} {response.status} {_reason(response.status)}"]
    asks_close = request is not None and request.asks_close
    lines += [f"{name}: {value}" for name, value in response.headers if not (asks_close and name == "Connection")]
    lines += _length_lines(request, response, (major, minor))
    has_type = any(name == "Content-Type" for name, _ in response.headers)
    if not has_type and (request is None or request.method != "HEAD"):
        lines.append("Content-Type: text/html; charset=ISO-8859-1")
    if asks_close and request is not None and not request.target.is_absolute:
        lines.append("Connection: close")
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _length_lines(request: Request | None, response: Response, version: tuple[int, int]) -> list[str]:
    if version[0] != 1:
        return []
    kept = request is not None and request.asks_keep_alive
    lines = []
    if version[1] >= 1:
        lines.append(_date_line(int(time.time())))
    elif kept:
        lines.append("Connection: keep-alive")
    if (version[1] >= 1 or kept) and (request is None or request.method != "HEAD"):
        lines.append(f"Content-Length: {len(response.body)}")
    return lines


@functools.lru_cache(maxsize=1)
def _date_line(now_s: int) -> str:
    return "Date: " + formatdate(now_s, usegmt=True)
