"""Sends broken requests to a server and looks at what comes back."""

from __future__ import annotations

import json
import re
import socket

from tests.support.broken_requests import BrokenRequests

_STATUS_LINE = re.compile(rb"HTTP/(\d\.\d) (\d{3}) [A-Za-z \-]+\r\n")


def drive(port: int, requests: BrokenRequests, count: int) -> dict[int, int]:
    """
    Send ``count`` requests, each on a connection of its own, half-closed behind it.

    :return: HTTP status -> how often; 0 where the connection ended without an answer, as for a request cut short.
    """
    statuses: dict[int, int] = {}
    for _ in range(count):
        request = requests.next()
        status = _status_of(_exchange(port, request), request)
        statuses[status] = statuses.get(status, 0) + 1
    return statuses


def _exchange(port: int, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        try:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the server has refused it already
        parts = []
        try:
            while part := connection.recv(1 << 16):
                parts.append(part)
        except ConnectionResetError:
            pass
        return b"".join(parts)


def _status_of(answer: bytes, request: bytes) -> int:
    """The status of the first answer, after checking that it is well-formed."""
    answer = answer.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")
    if not answer:
        return 0
    match = _STATUS_LINE.match(answer)
    assert match is not None, (request[:300], answer[:300])
    status = int(match[2])
    head, _, rest = answer.partition(b"\r\n\r\n")
    length = re.search(rb"Content-Length: (\d+)", head)
    body = rest if length is None else rest[: int(length[1])]
    assert length is None or len(body) == int(length[1]), (request[:300], answer[:300])
    if status != 200 and b"application/json" in head and body:
        document = json.loads(body.decode("utf-8", "replace"))
        assert list(document) == ["error"], body[:300]
    return status
