"""Requests cut out of a connection's bytes, and what is refused."""

from __future__ import annotations

import time

import pytest

from tendies_ops.server.http.http_message import Request
from tendies_ops.server.http.request_reader import (
    MAX_BODY_BYTES,
    MAX_HEAD_BYTES,
    MAX_TARGET_BYTES,
    Bodies,
    RequestReader,
)

PIECE = 16 << 10


def read(sent: bytes, *, piece: int = PIECE) -> tuple[list[Request], int]:
    reader = RequestReader()
    found = []
    for start in range(0, len(sent), piece):
        if reader.refusal:
            break
        found += reader.feed(memoryview(sent)[start : start + piece])
    return found, reader.refusal


def post(headers: str, body: str = "") -> bytes:
    return f"POST /v1/x HTTP/1.1\r\n{headers}\r\n\r\n{body}".encode("latin-1")


@pytest.mark.parametrize("piece", [1, 7, PIECE])
def test_requests_are_the_same_however_their_bytes_arrive(piece: int) -> None:
    chunks = "5;a=b\r\nhello\r\n00001\r\n!\r\n0\r\nContent-Encoding: gzip\r\n\r\n"
    sent = post("Content-Length: 2", "{}") + post("Transfer-Encoding: Chunked\r\nORIGIN: http://o", chunks)
    found, refusal = read(sent + b"HEAD / HTTP/1.0\r\n\r\n", piece=piece)
    assert not refusal
    assert [(request.method, bytes(request.body), request.keep_alive) for request in found] == [
        ("POST", b"{}", True), ("POST", b"hello!", True), ("HEAD", b"", False),
    ]  # fmt: skip
    assert found[1].headers == {"transfer-encoding": "Chunked", "origin": "http://o"}  # a trailer is no header


@pytest.mark.parametrize(
    "headers",
    [
        "Content-Length: 2\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 2",
        "Content-Length: 2\r\nContent-Length: 3", "Content-Length: 2\r\nContent-Length: 2", "Content-Length: 2, 2",
        "Content-Length : 2", "Content-Length: +2", "Content-Length: -2", "Content-Length: 0x2", "Content-Length: x",
        "Content-Length: 2\r\n 3", "Content-Length:", "Content-Length: 99999999999999999999",
        "Transfer-Encoding: chunked, gzip",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "Transfer-Encoding : chunked",
        " X: a", "X: a\r\n b", "X: a\0b", "X: a\rb", "X: a\nContent-Length: 2", "X", ": a", "X\tY: a",
    ],
)  # fmt: skip
def test_a_request_that_two_parsers_could_read_differently_is_refused(headers: str) -> None:
    assert read(post(headers, "{}")) == ([], 400)


@pytest.mark.parametrize(
    ("sent", "refusal"),
    [
        (b"hello there\r\n", 400), (b"GET /\r\n\r\n", 505), (b"GET / HTTP/2.0\r\n\r\n", 505),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400), (b"GET / HTTP/1.1\n\n", 400), (b"GET /a b HTTP/1.1\r\n\r\n", 400),
        (b"GET /\xff HTTP/1.1\r\n\r\n", 400), (b"BREW / HTTP/1.1\r\n\r\n", 400), (b"TRACE / HTTP/1.1\r\n\r\n", 501),
        (b"CONNECT h:443 HTTP/1.1\r\n\r\n", 501), (b"OPTIONS * HTTP/1.1\r\n\r\n", 400), (b"\x16\x03\x01\x02", 400),
        (post("Transfer-Encoding: gzip, chunked"), 501), (post("Transfer-Encoding: xchunked"), 501),
        (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 501),
        (post("Expect: something\r\nContent-Length: 1"), 417), (post("Expect: something\r\nContent-Length: 0"), 0),
        (post("Connection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 2", "{}"), 501),
        (post("Transfer-Encoding: chunked", "zz\r\n"), 400), (post("Transfer-Encoding: chunked", "1\r\nab\r\n"), 400),
        (post("Transfer-Encoding: chunked", "f" * 17 + "\r\n"), 400),
    ],
)  # fmt: skip
def test_an_unsupported_request_is_refused_with_its_status(sent: bytes, refusal: int) -> None:
    assert read(sent)[1] == refusal


def test_an_offer_of_another_protocol_is_ignored() -> None:
    offer = b"GET /a HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n"
    found, refusal = read(offer + offer + b"GET /b HTTP/1.1\r\n\r\n")
    assert ([request.target.partition("?")[0] for request in found], refusal) == (["/a", "/a", "/b"], 0)


def test_a_body_is_joined_from_pieces_of_every_length_in_order() -> None:
    pieces = [bytes([65 + number]) * size for number, size in enumerate((1, 5000, 2, 3, 5000, 4096, 4095, 1))]
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    found, refusal = read(post("Transfer-Encoding: chunked") + chunks)
    assert ([request.body for request in found], refusal) == ([b"".join(pieces)], 0)


def test_a_complete_request_before_a_refused_one_is_still_answered() -> None:
    found, refusal = read(post("Content-Length: 2", "{}") + b"garbage\r\n")
    assert ([bytes(request.body) for request in found], refusal) == ([b"{}"], 400)


@pytest.mark.parametrize(
    ("sent", "refusal"),
    [
        (b"GET /" + b"a" * (MAX_TARGET_BYTES - 1) + b" HTTP/1.1\r\n\r\n", 0),
        (b"GET /" + b"a" * MAX_TARGET_BYTES, 414),
        (post("X: " + "a" * (MAX_HEAD_BYTES - 100)), 0),
        (post("X: " + "a" * (MAX_HEAD_BYTES + 2 * PIECE)), 431),
        (post("\r\n".join(["X: a"] * ((MAX_HEAD_BYTES >> 2) + PIECE))), 431),
        (post("Transfer-Encoding: chunked", "5;" + "a" * (MAX_HEAD_BYTES + 2 * PIECE)), 413),
        (post("Transfer-Encoding: chunked", "0\r\nX: " + "a" * (MAX_HEAD_BYTES + 2 * PIECE)), 413),
        (post(f"Content-Length: {MAX_BODY_BYTES + 1}"), 413),
        (post(f"Content-Length: {MAX_BODY_BYTES}"), 0),
    ],
    ids=[
        "target fits", "target", "head fits", "one header", "many headers", "extension", "trailer", "body", "body fits",
    ],
)  # fmt: skip
def test_every_part_of_a_request_has_a_limit(sent: bytes, refusal: int) -> None:
    assert read(sent)[1] == refusal


def test_the_time_to_parse_a_head_is_linear_in_its_length() -> None:
    """Ten times the bytes, in pieces as small: some ten times the time, where reading again would take a hundred."""

    def seconds(size: int) -> float:
        reader = RequestReader()
        data = memoryview(b"GET / HTTP/1.1\r\n" + b"X: abcdefgh\r\n" * (size // 13))
        begin = time.process_time()
        for start in range(0, len(data), 100):
            reader.feed(data[start : start + 100])
        return time.process_time() - begin

    short = min(seconds(50_000) for _ in range(3))
    assert min(seconds(500_000) for _ in range(3)) < 40 * short


@pytest.mark.parametrize("headers", ["Content-Length: 60", "Transfer-Encoding: chunked"])
def test_the_bodies_of_all_connections_have_a_common_limit(headers: str) -> None:
    bodies = Bodies(limit_bytes=100)
    half = "x" * 59 if "Length" in headers else "3b\r\n" + "x" * 59 + "\r\n"
    first, second, third = (RequestReader(bodies) for _ in range(3))
    first.feed(memoryview(post(headers, half)))
    second.feed(memoryview(post(headers, half)))
    assert (first.refusal, second.refusal, bodies.held_bytes) == (0, 503, 59)
    first.drop_body()
    third.feed(memoryview(post(headers, half)))
    assert (third.refusal, bodies.held_bytes) == (0, 59)
