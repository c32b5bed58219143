from __future__ import annotations

import base64
import json
import socket
import time
from collections.abc import Iterator

import pytest

from tests.support.model_server import RunningServer, start_model_server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    base = tmp_path_factory.mktemp("model")
    (base / "1").mkdir()
    (base / "1" / "stub.json").write_text(json.dumps({"append": "!"}))
    with start_model_server("--model_name=m", f"--model_base_path={base}", stub=True) as running:
        yield running


def conversation(server: RunningServer, *parts: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        for part in parts:
            connection.sendall(part)
        connection.shutdown(socket.SHUT_WR)
        received = []
        while chunk := connection.recv(1 << 16):
            received.append(chunk)
        return b"".join(received)


def post(body: bytes) -> bytes:
    return b"POST /v1/models/m:predict HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def test_thousands_of_requests_sent_ahead_are_answered_in_order(server: RunningServer) -> None:
    answers = conversation(server, b"GET /readyz HTTP/1.1\r\n\r\n" * 3000)
    assert answers.count(b"HTTP/1.1 200 OK\r\n") == 3000


def test_a_body_that_comes_byte_by_byte_is_read(server: RunningServer) -> None:
    request = post(b'{"instances":[{"b64":"aGk="}]}')
    answer = conversation(server, *(request[index : index + 1] for index in range(len(request))))
    assert answer.endswith(b'"b64": "aGkh"\n        }\n    ]\n}')


def test_large_bodies_come_back_whole(server: RunningServer) -> None:
    text = b"QUJD" * 1_000_000
    answers = conversation(server, post(b'{"instances":[{"b64":"' + text + b'"}]}'), post(b'{"instances":["x"]}'))
    assert text in answers
    assert answers.endswith(b'"b64": "eCE="\n        }\n    ]\n}')


def test_chunks_and_what_follows_them(server: RunningServer) -> None:
    head = b"POST /v1/models/m:predict HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    body = b'{"instances":["x"]}'
    chunks = b"".join(b"%x\r\n%s\r\n" % (1, body[index : index + 1]) for index in range(len(body)))
    answers = conversation(server, head + chunks + b"0\r\nX: y\r\n\r\n" + post(body))
    assert answers.count(b'"b64": "eCE="') == 2


def test_a_length_beyond_the_limit_is_refused_before_the_body_comes(server: RunningServer) -> None:
    head = b"POST /v1/models/m:predict HTTP/1.1\r\nContent-Length: 9000000000000000000\r\n\r\n{"
    assert conversation(server, head).startswith(b"HTTP/1.1 413 Request Entity Too Large\r\n")
    assert b"200 OK" in conversation(server, b"GET /readyz HTTP/1.1\r\n\r\n")


def test_a_slow_reader_gets_the_whole_answer_and_the_next(server: RunningServer) -> None:
    text = b"QUJD" * 2_000_000
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(20)
        connection.connect(("127.0.0.1", server.port))
        connection.sendall(post(b'{"instances":[{"b64":"' + text + b'"}]}'))
        time.sleep(0.2)  # the server has filled the socket by now, and waits
        connection.sendall(post(b'{"instances":["x"]}'))
        connection.shutdown(socket.SHUT_WR)
        answers = b"".join(iter(lambda: connection.recv(1 << 20), b""))
    assert answers.count(text) == 1
    assert answers.endswith(b'"b64": "eCE="\n        }\n    ]\n}')


def test_bodies_of_many_sizes_do_not_mix(server: RunningServer) -> None:
    sizes = [900_000, 3, 500_000, 700_000, 1_200_000, 30, 899_998]
    bodies = [post(b'{"instances":["' + b"%d" % size + b"x" * size + b'"]}') for size in sizes]
    answers = conversation(server, *bodies)
    found = [base64.b64decode(part.split(b'"')[0]) for part in answers.split(b'"b64": "')[1:]]
    assert found == [b"%d" % size + b"x" * size + b"!" for size in sizes]
