"""A server that answers every request at once with the same canned pictures, and the files to send to it."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pybase64
from PIL import Image, ImageFilter

BATCH = 32
PATH = "/v1/models/m/versions/1:predict"
STATUS = b'{"model_version_status": [{"version": "1", "state": "AVAILABLE", "status": {}}]}'
FORKING = multiprocessing.get_context("fork")


@contextlib.contextmanager
def canned_server(canned: bytes, processes: int, port: int = 0) -> Iterator[str]:
    """
    Serve ``canned`` as the answer to each picture.

    :param processes: more than any client has connections open: each answers one connection after the other.
    :param port: 0 takes a free one.
    :return: the server's address.
    """
    listener = socket.create_server(("127.0.0.1", port), backlog=64)
    bodies = {count: plain_answer(canned, count) for count in range(1, BATCH + 1)}
    servers = [FORKING.Process(target=serve, args=(listener, bodies)) for _ in range(processes)]
    for server in servers:
        server.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        for server in servers:
            server.terminate()
            server.join()
        listener.close()


def plain_answer(picture: bytes, count: int) -> bytes:
    between = b'"\n        }, {\n            "b64": "'
    rows = between.join([pybase64.b64encode(picture)] * count)
    return b'{\n    "predictions": [{\n            "b64": "' + rows + b'"\n        }\n    ]\n}'


def serve(listener: socket.socket, bodies: dict[int, bytes]) -> None:
    """Answer one connection after the other."""
    buffer = bytearray(1 << 23)
    while True:
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            answer_connection(connection, bodies, buffer)


def answer_connection(connection: socket.socket, bodies: dict[int, bytes], buffer: bytearray) -> None:
    """As many canned pictures as the request holds, told by counting in its body."""
    heads = {n: b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(b)
             for n, b in bodies.items()}  # fmt: skip
    while True:
        have = 0
        while (end := buffer.find(b"\r\n\r\n", 0, have)) < 0:
            got = connection.recv_into(memoryview(buffer)[have:])
            if got == 0:
                return
            have += got
        head = bytes(buffer[:end]).lower()
        if head.startswith(b"get"):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(STATUS) + STATUS)
            continue
        length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
        while have < end + 4 + length:
            have += connection.recv_into(memoryview(buffer)[have:])
        count = buffer.count(b'"b64"', end, have)
        connection.sendall(heads[count] + bodies[count])


def make_case(side: int, folder: Path, count: int) -> tuple[list[str], bytes, bytes]:
    """Files that differ, and the canned answer; at 256 about 30 kB in and 120 kB out."""
    dice = np.random.default_rng(side)
    image = Image.fromarray(dice.integers(0, 256, (side, side, 3), np.uint8))
    folder.mkdir()
    if side == 64:
        image.save(folder / "one", "PNG")
        answer = folder / "answer"
        image.filter(ImageFilter.GaussianBlur(1)).save(answer, "PNG")
    else:
        image.filter(ImageFilter.GaussianBlur(1.2)).save(folder / "one", "JPEG", quality=95)
        answer = folder / "answer"
        image.filter(ImageFilter.GaussianBlur(1.15)).save(answer, "PNG")
    picture, canned = (folder / "one").read_bytes(), answer.read_bytes()
    (folder / "one").unlink()
    answer.unlink()
    names = [f"{n:06}.{'png' if side == 64 else 'jpg'}" for n in range(count)]
    for name in names:
        (folder / name).write_bytes(picture)
    return names, picture, canned


def serve_until_ended() -> None:
    """Serve over a port; arguments: the canned picture's file, the port, how many connections at a time."""
    path, port, processes = sys.argv[1:]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # end the children too
    with canned_server(Path(path).read_bytes(), int(processes), int(port)):
        signal.pause()


if __name__ == "__main__":
    serve_until_ended()
