"""
Replays exchanges recorded from tensorflow_model_server and says where another server differs.

``python -m tests.support.recorded_exchanges`` starts the embedded server over the recorded models and prints a table of
how many exchanges of each group replay equal.
"""

from __future__ import annotations

import gzip
import json
import re
import shutil
import socket
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.model_server import RunningServer, start_model_server

Exchange = dict[str, Any]

_LENGTH_NOTE = re.compile(r"<(\d+) bytes> ", re.DOTALL)
_CUT = re.compile(r"\.\.\.<(\d+) chars>\Z")


@dataclass(frozen=True)
class Reply:
    """What came back for one request."""

    status_line: str
    headers: tuple[str, ...]
    body: bytes
    closed: bool


def load_exchanges(recorded: Path) -> list[Exchange]:
    """The recorded exchanges, in their order."""
    exchanges: list[Exchange] = json.loads((recorded / "http.json").read_bytes())
    return exchanges


def serve_recorded_models(recorded: Path, place: Path) -> RunningServer:
    """The embedded server, with the flags of the recording, over a copy of its models."""
    models = place / "models"
    shutil.copytree(recorded / "models", models)
    for path in (models, *models.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    config = models / "models.config"
    config.write_text(config.read_text().replace('"/models/', f'"{models}/'))
    return start_model_server(
        f"--model_config_file={config}",
        "--model_config_file_poll_wait_seconds=1",
        f"--monitoring_config_file={models / 'monitoring.config'}",
        "--allow_version_labels_for_unavailable_models=true",
    )


def replay(exchange: Exchange, port: int) -> list[str]:
    """
    Send what was sent then.

    :return: what is different now; empty when nothing is.
    """
    if "sequence" in exchange:
        return _replay_sequence(exchange, port)
    with _Connection(port) as connection:
        connection.send(_request_of(exchange))
        reply = connection.reply(exchange["method"], closes=exchange["connection_closed_by_server"])
    return _differences(exchange, reply)


class _Connection:
    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._data = b""

    def __enter__(self) -> _Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, request: bytes) -> None:
        self._socket.sendall(request)

    def reply(self, method: str, *, closes: bool) -> Reply:
        """The next reply; ``closes``: whether the end of the connection is waited for."""
        head = self._read_until(b"\r\n\r\n").decode("latin-1")
        lines = head.split("\r\n")[:-2]
        lengths = [int(line.split(":")[1]) for line in lines if line.lower().startswith("content-length:")]
        body = self._read(lengths[0]) if lengths and method != "HEAD" else self._read_rest()
        return Reply(lines[0] if lines else "", tuple(lines[1:]), body, self._is_closed(wait=closes))

    def _read_until(self, mark: bytes) -> bytes:
        while mark not in self._data:
            chunk = self._socket.recv(1 << 20)
            if not chunk:
                break
            self._data += chunk
        found, separator, self._data = self._data.partition(mark)
        return found + separator

    def _read(self, size: int) -> bytes:
        parts = [self._data]
        have = len(self._data)
        while have < size:
            chunk = self._socket.recv(1 << 20)
            if not chunk:
                break
            parts.append(chunk)
            have += len(chunk)
        whole = b"".join(parts)
        self._data = whole[size:]
        return whole[:size]

    def _read_rest(self) -> bytes:
        self._socket.settimeout(0.3)
        try:
            while chunk := self._socket.recv(1 << 20):
                self._data += chunk
        except TimeoutError:
            pass
        finally:
            self._socket.settimeout(60)
        found, self._data = self._data, b""
        return found

    def _is_closed(self, *, wait: bool) -> bool:
        self._socket.settimeout(5.0 if wait else 0.02)
        try:
            return self._socket.recv(1, socket.MSG_PEEK) == b""
        except TimeoutError:
            return False
        finally:
            self._socket.settimeout(60)


def _request_of(exchange: Exchange) -> bytes:
    if "raw_request" in exchange:
        return str(exchange["raw_request"]).encode("latin-1")
    headers = exchange["request_headers"]
    if isinstance(headers, str):  # "X-Big: 60000 chars"
        name, size = headers.removesuffix(" chars").split(": ")
        headers = [[name, "x" * int(size)]]
    path = exchange["path"].replace("a*100000", "a" * 100000)
    lines = [
        f"{exchange['method']} {path} HTTP/1.1",
        "Host: 127.0.0.1",
        *(f"{name}: {value}" for name, value in headers),
    ]
    body = _request_body(exchange)
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b"")


def _request_body(exchange: Exchange) -> bytes | None:
    text = exchange.get("request_body")
    if text is None:
        return None
    note = _LENGTH_NOTE.match(text)
    if note is None:
        return str(text).encode()
    size, text = int(note[1]), text[note.end() :]
    if text.startswith("{") and len(text.encode()) < size:
        body = _refilled(text, size)
    elif text.startswith("{"):
        body = text.encode()
    elif len(text) < 2 * size:  # the only cut gzip body: 260,000 times 1.5
        return gzip.compress(b'{"instances":[' + b",".join([b"1.5"] * 260000) + b"]}")
    else:
        body = bytes.fromhex(text)
    assert len(body) == size, (exchange["name"], len(body), size)
    return body


def _refilled(text: str, size: int) -> bytes:
    """A request that was cut in the recording: its pattern goes on to the full size."""
    if text.startswith('{"instances":[[['):
        depth = (size - len('{"instances":}') - 1) // 2
        return b'{"instances":' + b"[" * depth + b"1" + b"]" * depth + b"}"
    if text.startswith('{"instances":[{"b64":"'):
        return b'{"instances":[{"b64":"' + b"A" * (size - 26) + b'"}]}'
    assert text.startswith('{"instances":[1.5,')
    return b'{"instances":[' + b",".join([b"1.5"] * ((size - 15) // 4)) + b"]}"


def _differences(exchange: Exchange, reply: Reply) -> list[str]:
    found = []
    if reply.status_line != exchange["status_line"]:
        found.append(f"status line {reply.status_line!r}, recorded {exchange['status_line']!r}")
    ignored = ("Date:", "Content-Length:") if exchange["group"] == "monitoring" else ("Date:",)
    ours, theirs = (
        [line for line in headers if not line.startswith(ignored)] for headers in (reply.headers, exchange["headers"])
    )
    if ours != theirs:
        found.append(f"headers {ours}, recorded {theirs}")
    if any(line.startswith("Date:") for line in reply.headers) != any(
        line.startswith("Date:") for line in exchange["headers"]
    ):
        found.append("Date is there in one only")
    if reply.closed != exchange["connection_closed_by_server"]:
        found.append(f"connection closed: {reply.closed}, recorded {exchange['connection_closed_by_server']}")
    return found + _body_differences(exchange, reply.body)


def _body_differences(exchange: Exchange, body: bytes) -> list[str]:
    if "body_hex" in exchange:
        recorded = bytes.fromhex(exchange["body_hex"])
        return [] if body == recorded else [f"body {body!r}, recorded {recorded!r}"]
    if exchange["group"] == "monitoring" and _CUT.search(exchange["body"]):
        return [] if body.startswith(b"# TYPE ") else ["no page of metrics"]
    if len(body) != exchange["body_bytes"]:
        return [f"body of {len(body)} bytes, recorded {exchange['body_bytes']}: {body[:600]!r}"]
    recorded_text = exchange["body"]
    cut = _CUT.search(recorded_text)
    text = body.decode("utf-8", "replace")
    if cut is not None:
        return [] if text.startswith(recorded_text[: cut.start()]) else [f"body begins {text[:300]!r}"]
    if text != recorded_text and _unordered(text) != _unordered(recorded_text):
        return [f"body {text!r}, recorded {recorded_text!r}"]
    return []


def _unordered(text: str) -> list[str]:
    """The lines without their order and commas: equal for bodies that differ in the order of map entries alone."""
    return sorted(line.rstrip(",") for line in text.split("\n"))


def _post(path: str, body: bytes) -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def _replay_sequence(exchange: Exchange, port: int) -> list[str]:
    path = "/v1/models/half:predict"
    if exchange["name"].startswith("pipelining"):
        requests = b"".join(_post(path, b'{"instances":[%d]}' % number) for number in (1, 2, 3))
        with _Connection(port) as connection:
            connection.send(requests)
            answers = [connection.reply("POST", closes=False).body for _ in range(3)]
        recorded = re.findall(r'\{\n    "predictions": \[[\d.]+\n    \]\n\}', exchange["sequence"][0][1])
        return [] if [body.decode() for body in answers] == recorded else [f"{answers}, recorded {recorded}"]
    bodies = iter([b'{"instances":[1,2]}', b"{", b'{"instances":[1]}'])
    found = []
    with _Connection(port) as connection:
        for method, target, status_line, closed, headers in exchange["sequence"]:
            if not status_line:
                found += [] if closed else ["the recording does not end with a closed connection"]
                continue
            get = f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
            connection.send(get if method == "GET" else _post(target, next(bodies)))
            reply = connection.reply(method, closes=target == "/nope")
            ours, theirs = (
                [line for line in lines if not line.startswith("Date")] for lines in (reply.headers, headers)
            )
            if (reply.status_line, ours) != (status_line, theirs):
                found.append(f"{method} {target}: {reply.status_line} {ours}, recorded {status_line} {theirs}")
        if not reply.closed:
            found.append("the connection is open behind a 404 page")
    return found


def main(arguments: Sequence[str]) -> int:
    """Print what differs, and the table."""
    recorded = Path(arguments[0])
    total, equal = Counter[str](), Counter[str]()
    with tempfile.TemporaryDirectory() as place, serve_recorded_models(recorded, Path(place)) as server:
        for number, exchange in enumerate(load_exchanges(recorded)):
            differences = replay(exchange, server.port)
            total[exchange["group"]] += 1
            equal[exchange["group"]] += not differences
            for difference in differences:
                print(f"{number} {exchange['group']}, {exchange['name']}: {difference[:1500]}")
    for group, count in total.items():
        print(f"| {group} | {equal[group]} of {count} |")
    print(f"| all | {sum(equal.values())} of {sum(total.values())} |")
    return 0 if equal == total else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
