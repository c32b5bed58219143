"""The transport of ``requests`` for one server that is spoken to again and again."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import weakref
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import BaseHTTPResponse
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import ConnectionPool

from tendies_ops.client.connection import make_punctual


class OneServerAdapter(HTTPAdapter):
    """
    Sends to one server and through no proxy, so its address is parsed and its connections are found once.

    An answer is its status and ``raw``, which has the headers and the body still to be read; ``requests`` would
    gather headers, cookies and encoding once more. Both together were a quarter of what a small request costs. Threads
    may share an adapter.

    :param connections: kept open at most.
    :param tls: trust store and client certificate; None: the server has no TLS.
    """

    def __init__(self, connections: int, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self._opened: weakref.WeakSet[HTTPConnection] = weakref.WeakSet()
        self._opening = threading.Lock()
        super().__init__(pool_connections=1, pool_maxsize=connections)
        self._pool: ConnectionPool | None = None

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make no pool: that of ``requests`` would trust a package's certificates and not the system's."""
        super().init_poolmanager(*args, ssl_context=self._tls, **kwargs)

    def get_connection_with_tls_context(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> ConnectionPool:
        """Return the server's connection pool; concurrent callers get the same one."""
        if self._pool is None:
            self._pool = self.poolmanager.connection_from_url(request.url)
            make_punctual(self._pool, self._note_opened)
        return self._pool

    def cert_verify(self, *_: Any) -> None:
        """Change nothing about the connections: the TLS context has all settings."""

    def request_url(self, request: requests.PreparedRequest, proxies: Any) -> str:
        """Return what the first line of the request asks for."""
        return request.path_url

    def build_response(self, req: requests.PreparedRequest, resp: BaseHTTPResponse) -> requests.Response:
        """Build a response with only ``status_code``, ``raw`` and ``request`` set."""
        response = requests.Response()
        response.status_code = resp.status
        response.raw = resp
        response.request = req
        return response

    def hang_up(self) -> None:
        """End every request that is under way, as if the server had closed all connections."""
        with self._opening:
            sockets = [connection.sock for connection in self._opened]
        for sock in sockets:
            if sock is not None:
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)  # under TLS as well: nothing more is reported

    def _note_opened(self, connection: HTTPConnection) -> None:
        with self._opening:
            self._opened.add(connection)

    def close(self) -> None:
        """Close every connection; a later request opens new ones."""
        self._pool = None
        super().close()
