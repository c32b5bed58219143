"""Connections of the port, on real sockets."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest

from tendies_ops.server.http.http_message import Request, Response
from tendies_ops.server.http.http_protocol import READ_SIZE_BYTES, HttpProtocol, Respond
from tendies_ops.server.http.request_reader import Bodies

LONG_S = 10_000.0


def echo(request: Request, respond: Respond) -> None:
    respond(Response(200, b"<" + bytes(request.body) + b">"))


def never(request: Request, respond: Respond) -> None:
    del request, respond


class Client:
    """A client of a server in the same loop, and what the server holds of it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, open_: set[HttpProtocol]) -> None:
        self.writer = writer
        self._reader = reader
        self.open = open_

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await asyncio.sleep(0.05)  # the server reads it; if it does not yet, the tests see what they see anyway

    def wait_seems_long(self) -> None:
        for connection in list(self.open):
            connection.expire(time.monotonic() + LONG_S)

    async def rest(self) -> bytes:
        return await asyncio.wait_for(self._reader.read(), 10)

    async def receive(self, size: int) -> bytes:
        return await asyncio.wait_for(self._reader.readexactly(size), 10)


def talk(
    conversation: Callable[[Client], Awaitable[bytes]],
    handler: Callable[[Request, Respond], None] = echo,
    bodies: Bodies | None = None,
) -> bytes:
    async def run() -> bytes:
        connections: set[HttpProtocol] = set()
        buffer = bytearray(READ_SIZE_BYTES)
        server = await asyncio.get_running_loop().create_server(
            lambda: HttpProtocol(handler, connections, buffer, bodies=bodies), "127.0.0.1", 0
        )
        try:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            found = await conversation(Client(reader, writer, connections))
            writer.close()
            return found
        finally:
            server.close()

    return asyncio.run(run())


def answer_to(sent: bytes) -> bytes:
    async def conversation(client: Client) -> bytes:
        client.writer.write(sent)
        client.writer.write_eof()
        return await client.rest()

    return talk(conversation)


@pytest.mark.parametrize("method", ["GET", "DELETE", "OPTIONS", "POST"])
def test_a_body_is_read_whatever_the_method_and_is_not_the_next_request(method: str) -> None:
    answer = answer_to(f"{method} /v1/x HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello".encode())
    assert answer.endswith(b"\r\n\r\n<hello>")


def test_a_long_body_in_tiny_chunks_is_read() -> None:
    chunks = b"1\r\na\r\n" * 20_000
    head = b"POST /v1/x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert answer_to(head + chunks + b"0\r\n\r\n").endswith(b"\r\n\r\n<" + b"a" * 20_000 + b">")


def test_the_answer_to_head_has_no_body_that_a_client_could_take_for_the_next_answer() -> None:
    answer = answer_to(b"HEAD /v1/x HTTP/1.1\r\n\r\nGET /v1/x HTTP/1.1\r\n\r\n")
    head, second, body = answer.split(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert second.startswith(b"HTTP/1.1 200 OK\r\n")
    assert body == b"<>"


def test_a_client_that_expects_100_continue_gets_it_once() -> None:
    async def conversation(client: Client) -> bytes:
        await client.send(b"POST /v1/x HTTP/1.1\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n")
        asked = await client.receive(25)
        await client.send(b"5\r\n")
        await client.send(b"hello\r\n0\r\n\r\n")
        client.writer.write_eof()
        return asked + await client.rest()

    found = talk(conversation)
    assert found.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")
    assert found.endswith(b"<hello>")


def test_a_client_that_has_sent_its_body_gets_no_100_continue() -> None:
    answer = answer_to(b"POST /v1/x HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello")
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_refused_request_is_answered_before_all_of_it_is_sent_and_the_rest_is_discarded() -> None:
    async def conversation(client: Client) -> bytes:
        await client.send(b"GET /v1/a HTTP/1.1\r\n\r\nnothing\r\n" + b"x" * 5_000_000)
        return await client.rest()

    first, second = talk(conversation).split(b"HTTP/1.1 ")[1:]
    assert first.startswith(b"200 OK")
    assert second.startswith(b"400 Bad Request")


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /v1/x HTTP/1.1\r\nX: ", b"HTTP/1.1 408 Request Timeout\r\n"),
        (b"POST /v1/x HTTP/1.1\r\nContent-Length: 5\r\n\r\nhe", b"HTTP/1.1 408 Request Timeout\r\n"),
        (b"POST /v1/x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n", b"HTTP/1.1 408 Request Timeout\r\n"),
        (b"", b""),
    ],
)
def test_a_connection_of_a_silent_client_is_closed(sent: bytes, status: bytes) -> None:
    async def conversation(client: Client) -> bytes:
        await client.send(sent)
        client.wait_seems_long()
        return (await client.rest()).partition(b"\n")[0]

    assert talk(conversation) == status.removesuffix(b"\n")


def test_a_head_that_is_sent_byte_by_byte_has_no_more_time_than_another() -> None:
    async def conversation(client: Client) -> bytes:
        begun_s = time.monotonic()
        await client.send(b"GET /v1/x HTTP/1.1\r\nX: ")
        while time.monotonic() < begun_s + 0.5:
            await client.send(b"a")
        for connection in list(client.open):
            connection.expire(begun_s + 0.4 + 30.0)
        return await client.rest()

    assert talk(conversation).startswith(b"HTTP/1.1 408 Request Timeout\r\n")


def test_a_refused_client_that_continues_to_send_is_disconnected() -> None:
    async def conversation(client: Client) -> bytes:
        await client.send(b"nothing\r\n" + b"x" * 100_000)
        answer = await client.rest()
        client.wait_seems_long()
        await asyncio.sleep(0.05)
        assert not client.open
        return answer

    assert talk(conversation).startswith(b"HTTP/1.1 400 Bad Request\r\n")


def test_a_slow_answer_does_not_count_as_a_wait_for_the_client() -> None:
    async def conversation(client: Client) -> bytes:
        await client.send(b"GET /v1/x HTTP/1.1\r\n\r\n")
        client.wait_seems_long()
        assert client.open
        client.writer.close()
        return b""

    talk(conversation, never)


def test_a_client_that_does_not_read_its_answers_is_disconnected() -> None:
    asked = 0

    def large(request: Request, respond: Respond) -> None:
        nonlocal asked
        asked += 1
        respond(Response(200, b"x" * 1_000_000))

    async def conversation(client: Client) -> bytes:
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a socket's transport has it
        for _ in range(20):
            await client.send(b"GET /v1/x HTTP/1.1\r\n\r\n" * 100)
        client.wait_seems_long()  # notes how much is unsent
        client.wait_seems_long()
        for connection in list(client.open):
            connection.expire(time.monotonic() + 2 * LONG_S)
        await asyncio.sleep(0.05)
        assert not client.open
        return b""

    talk(conversation, large)
    assert asked < 50


POST = b"POST /v1/x HTTP/1.1\r\nContent-Length: %d\r\n\r\n"


def test_an_answered_request_makes_room_for_the_next_body() -> None:
    bodies = Bodies(limit_bytes=100)

    async def conversation(client: Client) -> bytes:
        for _ in range(3):
            client.writer.write(POST % 90 + b"x" * 90)
            assert await client.receive(15) == b"HTTP/1.1 200 OK"
            await client.receive(len("\r\nDate: Tue, 01 Dec 2026 04:33:15 GMT\r\nContent-Length: 92\r\n\r\n") + 92)
        return b""

    talk(conversation, bodies=bodies)
    assert bodies.held_bytes == 0


def test_a_body_beyond_the_limit_of_all_bodies_is_refused_with_503_and_freed() -> None:
    bodies = Bodies(limit_bytes=100)

    async def conversation(client: Client) -> bytes:
        client.writer.write(POST % 200 + b"x" * 200)
        client.writer.write_eof()
        return await client.rest()

    assert talk(conversation, bodies=bodies).startswith(b"HTTP/1.1 503 Service Unavailable")
    assert bodies.held_bytes == 0


def test_the_body_of_a_client_that_disconnects_is_freed() -> None:
    bodies = Bodies()

    async def conversation(client: Client) -> bytes:
        await client.send(POST % 200 + b"x" * 199)
        assert bodies.held_bytes == 199
        client.writer.transport.abort()
        while client.open:
            await asyncio.sleep(0.01)
        return b""

    talk(conversation, bodies=bodies)
    assert bodies.held_bytes == 0
