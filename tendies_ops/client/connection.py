"""Connections whose answers come in time: one deadline for an answer, and no waiting for delayed acknowledgements."""

from __future__ import annotations

import http.client
import io
import socket
import time
from collections.abc import Callable
from typing import Any

from urllib3 import HTTPResponse
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

_TCP_QUICKACK: int | None = getattr(socket, "TCP_QUICKACK", None)  # Linux has it
_PIECE_BYTES = 1 << 18  # of an answer: what is read at once stays in the cache until it is put together
MAX_ERROR_BYTES = 1 << 20  #: read of an error; Model Server repeats the whole request in some of them


class _PunctualReader(io.RawIOBase):
    """
    Reads a socket until a deadline, however the bytes drip.

    Linux clears the option on its own, so it is set before each read. Otherwise a server on the
    same host that writes in pieces and has no TCP_NODELAY, as Model Server's libevent does, holds its last piece back
    for 40 ms. Source: tcp(7), TCP_QUICKACK.

    :param raw: what ``socket.makefile`` reads from; closed with this one.
    :param sock: its socket, whose timeout is the time left for everything that is read here.
    """

    def __init__(self, raw: io.RawIOBase, sock: socket.socket) -> None:
        super().__init__()
        self._raw, self._sock = raw, sock
        left_s = sock.gettimeout()
        self._deadline_s = None if left_s is None else time.monotonic() + left_s

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """
        Read some bytes.

        :raises TimeoutError: the deadline has passed.
        """
        if self._deadline_s is not None:
            left_s = self._deadline_s - time.monotonic()
            if left_s <= 0:
                raise TimeoutError("timed out")
            self._sock.settimeout(left_s)
        if _TCP_QUICKACK is not None:
            self._sock.setsockopt(socket.IPPROTO_TCP, _TCP_QUICKACK, 1)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        """Close what it reads from."""
        self._raw.close()
        super().close()


class _PunctualResponse(http.client.HTTPResponse):
    """An answer of which the time for headers and body is limited as a whole."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_PunctualReader(self.fp.detach(), sock))

    def begin(self) -> None:
        """
        Read status and headers.

        :raises http.client.HTTPException: there is something else among the headers.
        """
        super().begin()
        if self.msg.defects:
            raise http.client.HTTPException("its headers cannot be read")


class PunctualConnection(HTTPConnection):
    """Over plain HTTP."""

    response_class = _PunctualResponse


class PunctualTLSConnection(HTTPSConnection):
    """Over TLS."""

    response_class = _PunctualResponse


def make_punctual(pool: Any, opened: Callable[[HTTPConnection], object]) -> None:
    """
    Let a pool open connections whose answers have one deadline.

    :param opened: gets each connection, which is not connected yet.
    """
    kinds = {HTTPSConnectionPool: PunctualTLSConnection, HTTPConnectionPool: PunctualConnection}
    kind = next((kind for of_pool, kind in kinds.items() if isinstance(pool, of_pool)), pool.ConnectionCls)

    def open_connection(*args: Any, **kwargs: Any) -> HTTPConnection:
        connection: HTTPConnection = kind(*args, **kwargs)
        opened(connection)
        return connection

    pool.ConnectionCls = open_connection


def read_body(raw: HTTPResponse, max_bytes: int) -> tuple[bytes, bool]:
    """
    Read all of it, in large pieces: requests' own `content` walks it in pieces of 10 kB.

    :return: the body, and True; or, of one that is larger than ``max_bytes``, its beginning, and False.
    """
    pieces, size_bytes = [], 0
    encoded = "content-encoding" in raw.headers  # we ask for none, but a proxy may do as it likes
    while piece := raw.read1(_PIECE_BYTES, decode_content=encoded):
        pieces.append(piece)
        size_bytes += len(piece)
        if size_bytes > max_bytes:
            raw.close()
            return b"".join(pieces[: -(-MAX_ERROR_BYTES // _PIECE_BYTES)]), False
    return b"".join(pieces), True
