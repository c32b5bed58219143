"""
What delayed acknowledgements cost the client: a server that writes as Model Server does, next to one that does not.

    python -m bench.client_pieces [--rounds 9]

Model Server's HTTP library writes an answer in pieces of 16 KiB and leaves Nagle's algorithm on, so the last piece
waits for the client's acknowledgement of the one before. On one host a client that delays its acknowledgements gets
answers of 16 to 100 kB 40 ms late. Both servers here send the same bytes in the same pieces; one has TCP_NODELAY set.
"""

from __future__ import annotations

import argparse
import contextlib
import socket
import statistics
import threading
import time
from collections.abc import Iterator

import numpy as np

from bench.canned_answers import plain_answer
from bench.results import Row, as_table, write_result
from tendies_ops.client import ModelServerClient

PIECE_BYTES = 1 << 14  # libevent's evbuffer, as the real server writes it
ANSWER_KB = (20, 50, 80)
REQUESTS = 60  # a round, to each server


@contextlib.contextmanager
def server(body: bytes, *, no_delay: bool) -> Iterator[str]:
    """
    Answer every request with ``body``, in pieces.

    :param no_delay: set TCP_NODELAY, so that each piece is sent at once.
    """
    listener = socket.create_server(("127.0.0.1", 0), backlog=8)
    thread = threading.Thread(target=serve, args=(listener, body, no_delay), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)  # wakes the thread
        listener.close()


def serve(listener: socket.socket, body: bytes, no_delay: bool) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    pieces = [answer[at : at + PIECE_BYTES] for at in range(0, len(answer), PIECE_BYTES)]
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, int(no_delay))
        with connection, contextlib.suppress(OSError):
            while wait_for_request(connection):
                for piece in pieces:
                    connection.sendall(piece)


def wait_for_request(connection: socket.socket) -> bool:
    """Read one request; False: the connection has ended."""
    have = b""
    while (end := have.find(b"\r\n\r\n")) < 0:
        got = connection.recv(1 << 16)
        if not got:
            return False
        have += got
    length = int(have[:end].lower().split(b"content-length:")[1].split(b"\r\n")[0])
    while len(have) < end + 4 + length:
        got = connection.recv(1 << 16)
        if not got:
            return False
        have += got
    return True


def request_ms(client: ModelServerClient, picture: bytes) -> float:
    """Take the median of some requests."""
    taken = []
    for _ in range(REQUESTS):
        started_s = time.perf_counter()
        client.predict_files("m", [picture])
        taken.append(time.perf_counter() - started_s)
    return 1e3 * statistics.median(taken)


def measure(answer_kb: int, rounds: int) -> Row:
    picture = np.random.default_rng(answer_kb).bytes(10_000)
    canned = np.random.default_rng(1).bytes(answer_kb * 750)  # in base64 a third more
    body = plain_answer(canned, 1)
    with (
        server(body, no_delay=False) as as_it_writes,
        server(body, no_delay=True) as at_once,
        ModelServerClient(as_it_writes) as client,
        ModelServerClient(at_once) as reference,
    ):
        request_ms(client, picture), request_ms(reference, picture)  # the first ones find cold caches
        found = [(request_ms(client, picture), request_ms(reference, picture)) for _ in range(rounds)]
    what = f"a request whose answer of {answer_kb} kB comes in pieces of 16 KiB"
    return Row.of_rounds(what, "ms", found, compared_with="the same with TCP_NODELAY", promise="<= 1.1")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    rows = [measure(answer_kb, arguments.rounds) for answer_kb in ANSWER_KB]
    write_result("client_pieces", rows, rounds=arguments.rounds)
    print(as_table(rows))


if __name__ == "__main__":
    main()
