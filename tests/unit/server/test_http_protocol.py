"""Connections of the REST port, on real sockets."""

from __future__ import annotations

import asyncio

import pytest

from tendies_ops.server.body_buffers import BodyBuffers
from tendies_ops.server.http_message import Request, Response
from tendies_ops.server.http_protocol import HttpProtocol, Respond


def echo(request: Request, respond: Respond) -> None:
    respond(Response(200, b"<" + bytes(request.body) + b">", (("Connection", "close"),)))


async def what_comes_back(sent: bytes) -> bytes:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: HttpProtocol(echo, set(), BodyBuffers()), "127.0.0.1", 0)
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(sent)
        received = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        return received


@pytest.mark.parametrize(
    ("head", "first_line"),
    [
        ("Expect: 100-continue\r\nContent-Length: 0", b"HTTP/1.1 200 OK"),
        ("Expect: 100-continue", b"HTTP/1.1 200 OK"),
        ("Expect: something\r\nContent-Length: 0", b"HTTP/1.1 200 OK"),
        ("Expect: something\r\nContent-Length: 1", b"HTTP/1.1 417 Expectation Failed"),
    ],
)
def test_what_is_expected_counts_only_where_a_body_comes(head: str, first_line: bytes) -> None:
    """As libevent 2.1.12 has it: evhttp_get_body is done with a request of no length before it looks at Expect."""
    answer = asyncio.run(what_comes_back(f"POST /v1/x HTTP/1.1\r\n{head}\r\n\r\n".encode()))
    assert answer.split(b"\r\n")[0] == first_line
