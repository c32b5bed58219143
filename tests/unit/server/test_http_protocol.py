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


@pytest.mark.parametrize("method", ["GET", "DELETE", "OPTIONS", "POST"])
def test_a_body_is_read_whatever_the_method_and_is_not_the_next_request(method: str) -> None:
    answer = asyncio.run(what_comes_back(f"{method} /v1/x HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello".encode()))
    assert answer.endswith(b"\r\n\r\n<hello>")


@pytest.mark.parametrize("end", ["\r\n\r\n", "\n\n", "\r\n\n", "\n\r\n"])
def test_lines_end_with_or_without_a_carriage_return(end: str) -> None:
    answer = asyncio.run(what_comes_back(f"GET /v1/x HTTP/1.1\nContent-Length: 2{end}{{}}".encode()))
    assert answer.endswith(b"\r\n\r\n<{}>")


def test_a_line_that_is_no_request_is_refused_before_the_head_ends() -> None:
    answer = asyncio.run(what_comes_back(b"GET /\r\n"))
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")


def test_a_target_that_is_none_is_refused_once_the_body_has_come() -> None:
    head = b"POST /v1/a%zz HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
    assert asyncio.run(what_comes_back(head + b"hello")).startswith(b"HTTP/1.1 400 Bad Request\r\n")


def test_a_chunk_names_its_size_with_any_number_of_digits() -> None:
    chunks = b"0" * 20 + b"5 \r\nhello\r\n0\r\nX-A: b\r\n\r\n"
    answer = asyncio.run(what_comes_back(b"POST /v1/x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks))
    assert answer.endswith(b"\r\n\r\n<hello>")


@pytest.mark.parametrize("chunks", [b"5;a=b\r\nhello\r\n0\r\n\r\n", b"zz\r\n", b"0\r\nno trailer\r\n\r\n"])
def test_chunks_that_are_none_are_too_large(chunks: bytes) -> None:
    """libevent takes whatever is wrong with them for a body that is too long."""
    answer = asyncio.run(what_comes_back(b"POST /v1/x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks))
    assert answer.startswith(b"HTTP/1.1 413 Request Entity Too Large\r\n")
