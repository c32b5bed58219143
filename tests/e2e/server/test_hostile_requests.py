"""Clients that mean harm: the embedded server stays alive, its memory flat, and other clients are served as before."""

from __future__ import annotations

import http.client
import json
import random
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import psutil
import pytest

from tests.support.model_server import RunningServer, start_model_server

GOOD = b"POST /v1/models/m:predict HTTP/1.1\r\nContent-Length: 30\r\n\r\n" + b'{"instances":[{"b64":"aGk="}]}'
MAX_GROWTH_MIB = 120
#: A neighbour's p99 that is no more than this is not looked at: two busy cores make a wait of it by themselves.
NOISE_FLOOR_S = 0.25


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    base = tmp_path_factory.mktemp("model")
    (base / "1").mkdir()
    (base / "1" / "stub.json").write_text(json.dumps({"append": "!"}))
    with start_model_server("--model_name=m", f"--model_base_path={base}", stub=True) as running:
        yield running


def malformed(chance: random.Random) -> bytes:
    """A good request with a few bytes changed, or noise."""
    if chance.random() < 0.1:
        return chance.randbytes(chance.randrange(1, 2000))
    data = bytearray(GOOD)
    for _ in range(chance.randrange(1, 6)):
        position = chance.randrange(len(data))
        what = chance.randrange(3)
        if what == 0:
            data[position] = chance.randrange(256)
        elif what == 1:
            del data[position]
        else:
            data[position:position] = chance.choice([b"\r\n", b":", b" ", b"\0", b"9" * 30, b"\xff", b"[" * 500])
    return bytes(data)


def _post(head: str, *parts: bytes) -> list[bytes]:
    return [f"POST /v1/models/m:predict HTTP/1.1\r\n{head}\r\n\r\n".encode(), *parts]


#: What is sent one after the other on a connection.
HOSTILE: list[list[bytes]] = [
    [b"GET /" + b"a" * (2 << 20)],
    [b"GET / HTTP/1.1\r\nX: " + b"a" * (3 << 20)],
    [b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 400_000],
    [b"GET / HTTP/1.1\r\n", *[b"A: b\r\n"] * 200],
    _post("Content-Length: 9999999999999", b"x" * 1000),
    _post("Content-Length: 1000000000", b"x" * (1 << 20)),
    _post("Transfer-Encoding: chunked", b"ffffffffffffffff\r\n" + b"x" * 1000),
    _post("Transfer-Encoding: chunked", b"5;" + b"e" * (2 << 20)),
    _post("Transfer-Encoding: chunked", b"1\r\na\r\n" * 50_000),
    _post("Transfer-Encoding: chunked", b"0\r\nT: " + b"t" * (2 << 20)),
    _post("Transfer-Encoding: chunked\r\nContent-Length: 5", b"0\r\n\r\nGET /v1/models/m HTTP/1.1\r\n\r\n"),
    _post("Content-Encoding: gzip\r\nContent-Length: 20", b"\x1f\x8b" + b"\0" * 18),
    _post("Content-Length: 100000", b"[" * 100_000),
    [b"GET /readyz HTTP/1.1\r\n\r\n" * 3000],
    [GOOD * 200],
    [b"\0" * 100_000],
]


def send(server: RunningServer, parts: list[bytes]) -> None:
    """Send, look at a little of what comes back, and go."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        for part in parts:
            connection.sendall(part)
        connection.settimeout(0.02)
        connection.recv(1000)


def send_all(server: RunningServer, requests: list[list[bytes]]) -> None:
    for parts in requests:
        send(server, parts)


def wait_of_a_neighbour(server: RunningServer) -> float:
    begun_s = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    try:
        connection.request("POST", "/v1/models/m:predict", b'{"instances":[{"b64":"aGk="}]}')
        answer = connection.getresponse()
        assert (answer.status, b"aGkh" in answer.read()) == (200, True)
    finally:
        connection.close()
    return time.monotonic() - begun_s


@contextmanager
def neighbour(server: RunningServer) -> Iterator[list[float]]:
    """Another client, which asks all the time; how long it waited for each answer, in seconds."""
    waits: list[float] = []
    over = threading.Event()

    def ask() -> None:
        while not over.wait(0.005):
            waits.append(wait_of_a_neighbour(server))

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield waits
    finally:
        over.set()
        thread.join()


def p99(waits: list[float]) -> float:
    return statistics.quantiles(waits, n=100)[98]


def check_that_harm_does_none(server: RunningServer, requests: list[list[bytes]]) -> None:
    process = psutil.Process(server.process.pid)
    with neighbour(server) as alone:
        time.sleep(2)
    send_all(server, requests)  # what it takes once, it takes once
    before_mib = process.memory_info().rss / (1 << 20)
    with neighbour(server) as beside:
        send_all(server, requests)
    after_mib = process.memory_info().rss / (1 << 20)
    assert server.process.poll() is None, server.log()
    assert wait_of_a_neighbour(server) < 10
    assert after_mib - before_mib < MAX_GROWTH_MIB
    assert p99(beside) <= max(2 * p99(alone), NOISE_FLOOR_S), f"alone {p99(alone)} s, beside {p99(beside)} s"
    assert "Traceback" not in server.log(), server.log()


def check_malformed(server: RunningServer, count: int) -> None:
    chance = random.Random(count)
    check_that_harm_does_none(server, [[malformed(chance)] for _ in range(count)])


def check_hostile(server: RunningServer, rounds: int) -> None:
    check_that_harm_does_none(server, HOSTILE * rounds)


def test_hundreds_of_malformed_requests_harm_no_one(server: RunningServer) -> None:
    check_malformed(server, 400)


def test_every_kind_of_hostile_request_harms_no_one(server: RunningServer) -> None:
    check_hostile(server, 2)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_ten_thousand_malformed_requests_harm_no_one(server: RunningServer) -> None:
    check_malformed(server, 10_000)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_thousand_hostile_requests_harm_no_one(server: RunningServer) -> None:
    check_hostile(server, 1 + 1000 // len(HOSTILE))


def test_hundreds_of_connections_that_never_finish_harm_no_one(server: RunningServer) -> None:
    with ExitStack() as held:
        for number in range(300):
            connection = held.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=10))
            parts = HOSTILE[3] if number % 2 else HOSTILE[5]
            connection.sendall(parts[0])
        with neighbour(server) as waits:
            time.sleep(2)
        assert p99(waits) <= NOISE_FLOOR_S
    assert server.process.poll() is None
