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
from dataclasses import dataclass, field, replace
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
    413: "Request Entity Too Large",
    417: "Expectation Failed",
    500: "Internal Server Error",
    501: "Not Implemented",
    503: "Service Unavailable",
    504: "Gateway Time-out",
}
_CLASSES: Final = {2: "Success", 3: "Redirection", 4: "Client Error", 5: "Server Error"}
_METHODS: Final = ("GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH")
_METHODS_WITH_BODY: Final = ("POST", "PUT", "PATCH", "GET", "DELETE", "OPTIONS", "CONNECT")
_SHORTEST_LINE: Final = len("GET / HTTP/1.0")
_VERSION: Final = re.compile(r"HTTP/([0-9]{1,9})\.([0-9]{1,9})")
_NO_TARGET: Final = Target("", "")
_LENGTH: Final = re.compile(r"[ \t]*(?:\+?([0-9]+)|-0+)", re.ASCII)  # strtoll, and not below 0
_BARE_RETURN: Final = re.compile(r"\r(?![\r \t])")  # continues no line
_MAX_UNZIPPED_BYTES: Final = 100 << 20  # gzip_zlib.h, kMaxUncompressedBytes
_MAX_LENGTH: Final = (1 << 63) - 1


@dataclass
class Request:
    """
    One request.

    :param headers: names in lower case; of a repeated one the first.
    :param refusal: status of the HTML page that is all it gets, once its body has come; 0: none.
    :param is_broken: what stands behind it cannot be read: it is refused at once.
    """

    method: str
    target: Target
    version: tuple[int, int]
    headers: Mapping[str, str]
    body: bytes | bytearray = b""
    refusal: int = 0
    is_broken: bool = False

    @property
    def has_body(self) -> bool:
        """Whether a body is read at all; what follows a HEAD or TRACE is the next request."""
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
        if match is None:
            return None
        digits = (match[1] or "").lstrip("0")
        return min(int(digits or 0), _MAX_LENGTH) if len(digits) < 20 else _MAX_LENGTH

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
        """Whether the connection stays open behind the answer; never behind a proxy's request."""
        if self.asks_close or self.target.is_absolute:
            return False
        return self.version >= (1, 1) or self.asks_keep_alive

    @property
    def answer_has_body(self) -> bool:
        """Whether the answer's head speaks of a body. One comes all the same."""
        return self.method not in ("HEAD", "CONNECT")

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


def parse_head(head: bytes) -> Request:
    """Read a request line and its headers; ``refusal`` says where they are none."""
    first, *rest = (line.removesuffix("\r") for line in head.decode("latin-1").split("\n"))
    request = _first_line(first)
    if request.is_broken:
        return request
    request.headers, request.is_broken = _headers(rest)
    if request.is_broken or request.body_length() is None:
        return replace(request, refusal=400, is_broken=True)
    return request


def is_hopeless(received: bytes | bytearray) -> bool:
    """Whether the first line has come and is no request line: nothing that follows mends it."""
    end = received.find(b"\n")
    return end >= 0 and _first_line(received[:end].decode("latin-1").removesuffix("\r")).is_broken


def _first_line(line: str) -> Request:
    line = line.rstrip(" ")
    method, _, rest = line.partition(" ")
    target_text, _, version_text = rest.rpartition(" ")
    if len(line) < _SHORTEST_LINE or not target_text:
        return Request("", _NO_TARGET, (1, 1), {}, refusal=400, is_broken=True)
    version = _VERSION.fullmatch(version_text)
    if version is None or int(version[1]) > 1:
        return Request(method, _NO_TARGET, (1, 1), {}, refusal=400, is_broken=True)
    target = parse_target(target_text)
    refusal = 501 if method not in _METHODS else 400 if target is None else 0
    return Request(method, target or _NO_TARGET, (int(version[1]), int(version[2])), {}, refusal=refusal)


def _headers(lines: list[str]) -> tuple[dict[str, str], bool]:
    """The headers, and whether a line among them is none; then those before it."""
    found: list[list[str]] = []  # name, value
    is_broken = False
    for line in lines:
        name, colon, value = line.partition(":")
        if line.startswith((" ", "\t")) and found:
            found[-1][1] += " " + line.strip(" \t")
        elif line.startswith((" ", "\t")) or not colon or "\r" in name or _BARE_RETURN.search(value.rstrip(" \t")):
            is_broken = True
            break
        else:
            found.append([name.lower(), value.lstrip(" ").rstrip(" \t")])
    return dict(reversed(found)), is_broken  # of a repeated name the first one stays


def response_head(request: Request, response: Response) -> bytes:
    """Status line and headers, in libevent's order."""
    major, minor = request.version
    if response.is_page and 0 in (major, minor):
        major = minor = 1
    lines = [f"HTTP/{major}.{minor} {response.status} {_reason(response.status)}"]
    asks_close = request.asks_close
    lines += [f"{name}: {value}" for name, value in response.headers if not (asks_close and name == "Connection")]
    lines += _length_lines(request, response, (major, minor))
    has_type = any(name == "Content-Type" for name, _ in response.headers)
    if not has_type and request.answer_has_body:
        lines.append("Content-Type: text/html; charset=ISO-8859-1")
    if asks_close and not request.target.is_absolute:
        lines.append("Connection: close")
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _length_lines(request: Request, response: Response, version: tuple[int, int]) -> list[str]:
    if version[0] != 1:
        return []
    kept = request.asks_keep_alive
    lines = []
    if version[1] >= 1:
        lines.append(_date_line(int(time.time())))
    elif kept:
        lines.append("Connection: keep-alive")
    if (version[1] >= 1 or kept) and request.answer_has_body:
        lines.append(f"Content-Length: {len(response.body)}")
    return lines


@functools.lru_cache(maxsize=1)
def _date_line(now_s: int) -> str:
    return "Date: " + formatdate(now_s, usegmt=True)
