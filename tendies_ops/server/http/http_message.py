"""HTTP requests and responses; the latter are laid out as libevent does."""

from __future__ import annotations

import functools
import re
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from typing import Final

_MAX_UNZIPPED_BYTES: Final = 100 << 20  # gzip_zlib.h, kMaxUncompressedBytes
#: Reason phrases of libevent that differ from today's standard.
_REASONS: Final = {413: "Request Entity Too Large", 429: "Client Error", 499: "Client Error", 504: "Gateway Time-out"}
_ABSOLUTE: Final = re.compile(r"https?://[^/?#]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Request:
    """
    A complete request.

    :param target: the path, with query and fragment, which the routes see as part of it.
    :param headers: the headers that the server uses, with names in lower case; the first one if repeated.
    :param is_1_1: True for HTTP/1.1, False for HTTP/1.0.
    :param keep_alive: the client leaves the connection open for the next request.
    """

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | bytearray = b""
    is_1_1: bool = True
    keep_alive: bool = True

    def content(self) -> bytes | bytearray:
        """Return the body, unpacked if it is gzip; a body that cannot be unpacked counts as empty."""
        if "gzip" not in self.headers.get("content-encoding", ""):
            return self.body
        unzip = zlib.decompressobj(wbits=31)
        try:
            unpacked = unzip.decompress(self.body, _MAX_UNZIPPED_BYTES + 1)
        except zlib.error:
            return b""
        return unpacked if unzip.eof and not unzip.unused_data and len(unpacked) <= _MAX_UNZIPPED_BYTES else b""


@dataclass(frozen=True, slots=True)
class Response:
    """A response; ``headers`` precede Date and Content-Length."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def closes(self) -> bool:
        """Return True if the connection is closed after it."""
        return ("Connection", "close") in self.headers


def parse_target(text: str) -> str | None:
    """
    Read a request target in origin or absolute form.

    :return: the target in origin form; None if it is in neither.
    """
    absolute = _ABSOLUTE.match(text)
    whole = text if absolute is None else text[absolute.end() :]
    if absolute is not None and not whole.startswith("/"):
        whole = "/" + whole
    return whole if whole.startswith("/") else None


def html_error(status: int) -> Response:
    """Make an error page as libevent does; it closes the connection."""
    reason = _reason(status)
    page = f"<HTML><HEAD>\n<TITLE>{status} {reason}</TITLE>\n</HEAD><BODY>\n<H1>{reason}</H1>\n</BODY></HTML>\n"
    return Response(status, page.encode(), (("Content-Type", "text/html"), ("Connection", "close")))


def response_head(response: Response, *, is_1_1: bool = True, keep_alive: bool = True) -> bytes:
    """Return status line and headers in libevent's order; the last two parameters are those of the request."""
    headers = list(response.headers)
    if is_1_1:
        headers.append(("Date", _date(int(time.time()))))
    elif keep_alive and not response.closes:
        headers.append(("Connection", "keep-alive"))
    if is_1_1 or keep_alive:
        headers.append(("Content-Length", str(len(response.body))))
    if is_1_1 and not keep_alive and not response.closes:
        headers.append(("Connection", "close"))
    version = "1.1" if is_1_1 or response.closes else "1.0"
    lines = [f"HTTP/{version} {response.status} {_reason(response.status)}"]
    return "\r\n".join([*lines, *(f"{name}: {value}" for name, value in headers), "", ""]).encode("latin-1")


def _reason(status: int) -> str:
    return _REASONS.get(status) or HTTPStatus(status).phrase


@functools.lru_cache(maxsize=1)
def _date(now_s: int) -> str:
    return formatdate(now_s, usegmt=True)
