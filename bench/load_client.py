"""
A good client, as a child process: whole files in, whole files out, over connections that stay open.

Reads lines ``<port> <requests> <connections>`` and answers each with the seconds until the last was answered.
It does the work that any client has (encode to base64, send, receive, decode) and nothing else, so that the servers
are compared and not the client: no HTTP library, the base64 of pybase64, one receive buffer a connection, and a heap
that keeps what it frees.
"""

from __future__ import annotations

import socket
import sys
from pathlib import Path

from bench.closed_loop import take_turns
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


def time_requests(port: int, batch: list[bytes], requests: int, connections: int) -> float:
    """
    Post the batch so often, over this many connections at a time.

    :return: the seconds it took.
    """
    opened = [Connection(port) for _ in range(connections)]
    try:
        return take_turns(requests, connections, lambda lane: opened[lane].predict(batch))
    finally:
        for connection in opened:
            connection.close()


def serve() -> None:
    """Serve the bench over the standard streams; arguments: the picture's file, how many of it make a request."""
    keep_freed_memory()
    batch = [Path(sys.argv[1]).read_bytes()] * int(sys.argv[2])
    for line in sys.stdin:
        port, requests, connections = map(int, line.split())
        print(time_requests(port, batch, requests, connections), flush=True)


if __name__ == "__main__":
    serve()
