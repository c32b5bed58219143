"""
A good client, as a child process: whole files in, whole files out, over connections that stay open.

Reads lines ``<port> <seconds> <connections>`` and answers each with the images that came back and the seconds it took.
It does the work that any client has (encode to base64, send, receive, decode) and nothing else, so that the servers
are compared and not the client: no HTTP library, the base64 of pybase64, one receive buffer a connection, and a heap
that keeps what it frees.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
from pathlib import Path

from bench.workloads import PATH
from tendies_ops.rest_api.predict import parse_files_answer, predict_body
from tendies_ops.server.heap import keep_freed_memory

_BUFFER_BYTES = 1 << 24
_END_OF_HEAD = b"\r\n\r\n"


class Connection:
    """One connection to one server."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=120)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = bytearray(_BUFFER_BYTES)

    def close(self) -> None:
        """Close it."""
        self._socket.close()

    def predict(self, files: list[bytes]) -> list[bytes]:
        """
        Post the files as one request.

        :raises RuntimeError: the answer is not 200 with as many files.
        """
        body = predict_body(files)
        head = f"POST {PATH} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        self._send(head.encode() + _END_OF_HEAD, body)
        return parse_files_answer(self._answer(), len(files))

    def _send(self, head: bytes, body: bytes) -> None:
        """Send both without joining them, as far as the system takes them at once."""
        sent = self._socket.sendmsg((head, body))
        if sent < len(head):
            self._socket.sendall(head[sent:])
            sent = len(head)
        self._socket.sendall(memoryview(body)[sent - len(head) :])

    def _answer(self) -> bytes:
        view, have, end = memoryview(self._buffer), 0, -1
        while end < 0:
            have += self._receive(view[have:])
            end = self._buffer.find(_END_OF_HEAD, 0, have)
        head = bytes(view[:end]).lower()
        if not head.startswith(b"http/1.1 200 "):
            raise RuntimeError(bytes(view[: min(have, 500)]))
        whole = end + 4 + int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
        while have < whole:
            have += self._receive(view[have:])
        return bytes(view[end + 4 : whole])

    def _receive(self, view: memoryview) -> int:
        size = self._socket.recv_into(view)
        if size == 0:
            raise RuntimeError("the server closed the connection")
        return size


def count_images(port: int, batch: list[bytes], seconds: float, connections: int) -> tuple[int, float]:
    """
    Post the batch again and again on each connection.

    :return: images that came back, and the seconds it took.
    """
    done = [0] * connections
    started_s = time.perf_counter()

    def work(index: int) -> None:
        connection = Connection(port)
        while time.perf_counter() - started_s < seconds:
            done[index] += len(connection.predict(batch))
        connection.close()

    workers = [threading.Thread(target=work, args=(index,)) for index in range(connections)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if not all(done):
        raise RuntimeError("a connection brought nothing back")
    return sum(done), time.perf_counter() - started_s


def serve() -> None:
    """Serve the bench over the standard streams; arguments: the picture's file, how many of it make a request."""
    keep_freed_memory()
    batch = [Path(sys.argv[1]).read_bytes()] * int(sys.argv[2])
    for line in sys.stdin:
        port, seconds, connections = line.split()
        print(json.dumps(count_images(int(port), batch, float(seconds), int(connections))), flush=True)


if __name__ == "__main__":
    serve()
