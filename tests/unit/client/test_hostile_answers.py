"""A broken or hostile server costs the stated time and memory, and ends with a message that is safe to print."""

from __future__ import annotations

import gzip
import itertools
import json
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import psutil
import pytest

from tendies_ops.client import ModelServerClient
from tendies_ops.client.rest_client import MAX_STATUS_BYTES
from tendies_ops.errors import (
    BadAnswerError,
    ModelServerError,
    RequestRefusedError,
    ServerSickError,
    WrongContractError,
)
from tests.support.canned_server import Answer, CannedServer, error_answer

Send = Callable[[socket.socket], None]

TIMEOUT_S = 0.3
MAX_ANSWER_BYTES = 1 << 20
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
DICE = random.Random(20)


def whole(body: bytes, headers: bytes = b"") -> Send:
    """An answer that is well formed as HTTP."""
    head = OK + headers + b"Content-Length: %d\r\n\r\n" % len(body)
    return lambda connection: connection.sendall(head + body)


def dripping(start: bytes, drop: bytes) -> Send:
    """One drop now and then, for ever."""

    def send(connection: socket.socket) -> None:
        connection.sendall(start)
        while True:
            connection.sendall(drop)
            time.sleep(0.02)

    return send


def endless(start: bytes, piece: bytes) -> Send:
    """The same again and again, as fast as it is read."""

    def send(connection: socket.socket) -> None:
        connection.sendall(start)
        while True:
            connection.sendall(piece * max(1, (1 << 16) // len(piece)))

    return send


def nested(depth: int, opening: bytes = b"[", closing: bytes = b"]") -> bytes:
    return opening * depth + closing * depth


def deep_rows(depth: int) -> bytes:
    """Two predictions deep inside lists, among so much text that the lists are few."""
    padding = b'"' + b"x" * 10 * depth + b'"'
    return b'{"predictions":[' + padding + b"," + nested(depth) + b"]}"


@contextmanager
def hostile_server(sends: Iterator[Send]) -> Iterator[str]:
    """Gives each request the next of ``sends``, then closes the connection."""

    def serve(connection: socket.socket, send: Send) -> None:
        with connection, suppress(OSError):
            connection.recv(1 << 16)
            send(connection)

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=serve, args=(connection, next(sends)), daemon=True).start()

    listener = socket.create_server(("127.0.0.1", 0), backlog=100)
    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def predict(client: ModelServerClient) -> object:
    return client.predict_files("m", [b"a", b"b"], version=1, max_answer_bytes=MAX_ANSWER_BYTES)


def rows(client: ModelServerClient) -> object:
    return client.predict_rows("m", [b"a", b"b"], version=1, max_answer_bytes=MAX_ANSWER_BYTES)


def status(client: ModelServerClient) -> object:
    return client.version_statuses("m")


def metadata(client: ModelServerClient) -> object:
    return client.metadata("m")


ASKED = [predict, rows, status, metadata]
SLOW = {
    "headers that drip": dripping(OK + b"X-Slow: ", b"a"),
    "a status line that drips": dripping(b"HTTP/1.1 2", b"0"),
    "a body that drips": dripping(OK + b"Content-Length: 1000000\r\n\r\n", b"a"),
    "chunks that drip": dripping(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
    "a chunk's size that drips": dripping(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"0"),
    "trailers that drip": dripping(OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"a: b\r\n"),
    "continues that drip": dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "silence": lambda _: time.sleep(2 * TIMEOUT_S),
}
ENDLESS = {
    "a body without end": endless(OK + b"\r\n" + b'{"predictions":[{"b64":"', b"A"),
    "lists without end": endless(OK + b"\r\n" + b'{"predictions":', b"["),
    "a header without end": endless(OK + b"X-Long: ", b"a"),
    "headers without end": endless(OK, b"a: b\r\n"),
    "continues without end": endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "chunks without end": endless(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"8\r\naaaaaaaa\r\n"),
    "an error without end": endless(b"HTTP/1.1 400 Bad\r\n\r\n", b"no "),
    "a bomb": whole(gzip.compress(bytes(1 << 26)), b"Content-Encoding: gzip\r\n"),
}
ODD = [
    deep_rows(200_000),
    deep_rows(900),
    b'{"predictions":' + nested(200_000) + b"}",
    b'{"predictions":[NaN,' + b"1," * 10_000 + nested(5000) + b"]}",
    b'{"predictions":[[],[]' + b",[]" * 300_000 + b"]}",
    b'{"predictions":[{"b64":"YQ=="}]}',
    b'{"predictions":[{"b64":"Y Q=="},{"b64":"\\u0059Q=="}]}',
    b'{"predictions":[{"\\u001b[31m":1},2]}',
    b'{"predictions":[1e400,' + b"9" * 5000 + b"]}",
    b'{"model_version_status":[{"version":"1","state":[' + nested(900) + b"]}]}",
    b'{"model_version_status":[{"version":1e300,"state":"AVAILABLE","status":null}]}',
    b'{"model_version_status":[{"version":"' + b"9" * 5000 + b'"}]}',
    b'{"model_version_status":[{"version":"1","state":"END","status":{"error_message":["\\u001b"]}}]}',
    b'{"\\u001b]0;gotcha\\u0007":' + nested(500) + b"}",
    b"\xff\xfe\x00",
    b"[]",
    b"",
]


def odd_answers(count: int) -> Iterator[Send]:
    """Well formed HTTP with JSON that is not, or the other way round; each a little different."""
    heads = [
        b"Set-Cookie: c%d=" + b"x" * 60_000 + b"\r\n",
        b"X: \xff\r\n",
        b"no header\r\n",
        b"Content-Encoding: gzip\r\n",
    ]
    for number in range(count):
        body = DICE.choice(ODD)
        at = DICE.randrange(len(body) + 1)
        torn = body[:at] + DICE.randbytes(3) + body[at + DICE.randrange(4) :]
        head = DICE.choice(heads)
        yield whole(
            DICE.choice([body, body, torn]), (head % number if b"%d" in head else head) if number % 4 == 0 else b""
        )


def ask(url: str, question: Callable[[ModelServerClient], object]) -> str:
    """What the client says of an answer; whatever it is, it is no traceback, and safe to print."""
    with ModelServerClient(url, timeout_s=TIMEOUT_S) as client:
        try:
            return repr(question(client))[:100]
        except (ModelServerError, WrongContractError) as error:
            said = str(error) + error.server_words
    assert said.isprintable()
    assert len(said) < 2000
    return said


@pytest.mark.parametrize("question", ASKED)
@pytest.mark.parametrize("send", SLOW.values(), ids=SLOW)
def test_an_answer_that_drips_takes_no_longer_than_the_timeout(
    send: Send, question: Callable[[ModelServerClient], object]
) -> None:
    with hostile_server(itertools.repeat(send)) as url, ModelServerClient(url, timeout_s=TIMEOUT_S) as client:
        started_s = time.monotonic()
        with pytest.raises(ServerSickError, match=r"not answered within 0\.3 s"):
            question(client)
        assert time.monotonic() - started_s < 10 * TIMEOUT_S


@pytest.mark.parametrize("send", ENDLESS.values(), ids=ENDLESS)
def test_an_answer_without_end_is_not_read_to_its_end(send: Send) -> None:
    with hostile_server(itertools.repeat(send)) as url:
        for question in (predict, rows):
            assert "POST" in ask(url, question)


def test_questions_have_a_shorter_timeout_than_predictions() -> None:
    with (
        hostile_server(itertools.repeat(lambda _: time.sleep(5.0))) as url,
        ModelServerClient(url, timeout_s=60.0, question_timeout_s=0.1) as client,
    ):
        for question in (status, metadata):
            with pytest.raises(ServerSickError, match=r"not answered within 0\.1 s"):
                question(client)


def test_a_status_that_is_too_large_is_no_status() -> None:
    entry = {"version": "1", "state": "AVAILABLE", "status": {"error_message": "x" * MAX_STATUS_BYTES}}
    body = json.dumps({"model_version_status": [entry]}).encode()
    with (
        CannedServer(lambda _: Answer(body=body)) as server,
        ModelServerClient(server.url) as client,
        pytest.raises(BadAnswerError, match="larger than 1 MiB"),
    ):
        client.version_statuses("m")


def test_control_codes_in_an_error_are_reported_as_escapes() -> None:
    said = "\x1b[31mno\x1b[0m \u202eevil\r\nsecond line"
    with (
        CannedServer(lambda _: error_answer(400, said)) as server,
        ModelServerClient(server.url) as client,
        pytest.raises(RequestRefusedError) as caught,
    ):
        predict(client)
    assert caught.value.server_words.startswith(r"\x1b[31mno\x1b[0m \u202eevil second line")
    assert str(caught.value).isprintable()


def test_control_codes_in_a_status_are_reported_as_escapes() -> None:
    entry = {"version": "1", "state": "END", "status": {"error_code": "\x07", "error_message": "a\x1b[2J\nb"}}
    body = json.dumps({"model_version_status": [entry]}).encode()
    with CannedServer(lambda _: Answer(body=body)) as server, ModelServerClient(server.url) as client:
        told = client.version_statuses("m")[1]
    assert (told.error_code, told.error_message) == (r"\x07", r"a\x1b[2J b")


def test_a_thousand_odd_answers_leave_the_client_alive_and_its_memory_flat() -> None:
    process, grown = psutil.Process(), []
    sends = odd_answers(1_000)
    with hostile_server(sends) as url:
        for number in range(1_000):
            ask(url, ASKED[number % 4])
            if number % 100 == 99:
                grown.append(process.memory_info().rss)
    assert grown[-1] - grown[2] < 32 << 20
