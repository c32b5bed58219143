"""An HTTP server on a loopback socket that answers what a test tells it to, also what no proper server would."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pybase64

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER on, no time: close() sends RST


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: Mapping[str, str]  #: names in lower case
    body: bytes


@dataclass(frozen=True)
class Answer:
    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    cut_after_bytes: int | None = None  #: close the connection after this many bytes of the whole answer; 0: at once
    reset: bool = False  #: where it is cut, with a reset instead of an orderly end
    bytes_per_second: float | None = None  #: of the body, one byte at a time
    raw: bytes | None = None  #: send exactly this instead, and close

    def on_the_wire(self) -> bytes:
        if self.raw is not None:
            return self.raw
        lines = [f"HTTP/1.1 {self.status} X", "Content-Type: application/json", f"Content-Length: {len(self.body)}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        return ("\r\n".join(lines) + "\r\n\r\n").encode() + self.body


class CannedServer:
    """
    Serves until stopped; a context manager.

    :param answer: gets each request, in the thread of its connection.
    :param port: 0 takes a free one.
    :param tls: settings of a server that speaks HTTPS.
    """

    def __init__(
        self, answer: Callable[[Request], Answer], *, port: int = 0, tls: ssl.SSLContext | None = None
    ) -> None:
        self._answer, self._tls = answer, tls
        self._listener = socket.create_server(("127.0.0.1", port), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.port}"
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        self.accepted = 0  #: connections so far
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> CannedServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Close the port and cut every connection."""
        _shut(self._listener)
        self._listener.close()
        with self._lock:
            for connection in self._connections:
                _shut(connection)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._connections.add(connection)
                self.accepted += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            if self._tls is not None:
                connection = self._encrypted(connection, self._tls)
            with connection, connection.makefile("rb") as stream:
                while (request := read_request(stream)) is not None:
                    answer = self._answer(request)
                    time.sleep(answer.delay_s)
                    _send(connection, answer)
                    if answer.reset:
                        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                        return
                    if answer.raw is not None or answer.cut_after_bytes is not None:
                        break
                _shut(connection)
        except (OSError, ValueError):
            pass
        finally:
            with self._lock:
                self._connections.discard(connection)

    def _encrypted(self, plain: socket.socket, tls: ssl.SSLContext) -> socket.socket:
        connection = tls.wrap_socket(plain, server_side=True)
        with self._lock:
            self._connections.discard(plain)
            self._connections.add(connection)
        return connection


def read_request(stream: object) -> Request | None:
    """The next request of a connection, None at its end."""
    line = stream.readline().split()  # type: ignore[attr-defined]
    if len(line) < 3:
        return None
    headers = {}
    while (header := stream.readline().strip()) != b"":  # type: ignore[attr-defined]
        name, _, value = header.partition(b":")
        headers[name.decode().lower()] = value.strip().decode()
    body = stream.read(int(headers.get("content-length", 0)))  # type: ignore[attr-defined]
    return Request(line[0].decode(), line[1].decode(), headers, body)


def _send(connection: socket.socket, answer: Answer) -> None:
    data = answer.on_the_wire()[: answer.cut_after_bytes]
    if answer.bytes_per_second is None:
        connection.sendall(data)
        return
    head, blank_line, body = data.partition(b"\r\n\r\n")
    connection.sendall(head + blank_line)
    for at in range(len(body)):
        connection.sendall(body[at : at + 1])
        time.sleep(1 / answer.bytes_per_second)


def _shut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def error_answer(status: int, message: str) -> Answer:
    """An error as Model Server words it."""
    return Answer(status, json.dumps({"error": message}, indent=4).encode())


def predictions_answer(files: list[bytes]) -> Answer:
    """The answer of a model with one ``*_bytes`` output, blanks as Model Server writes them."""
    between = b'"\n        }, {\n            "b64": "'
    rows = between.join(pybase64.b64encode(file) for file in files)
    return Answer(body=b'{\n    "predictions": [{\n            "b64": "' + rows + b'"\n        }\n    ]\n}')


def rows_answer(rows: list[Any]) -> Answer:
    """The answer of a model with other outputs than one file; files in it as base64."""
    return Answer(body=json.dumps({"predictions": rows}, default=as_b64).encode())


def as_b64(file: bytes) -> dict[str, str]:
    return {"b64": pybase64.b64encode(file).decode()}


def metadata_answer(outputs: Mapping[str, Sequence[int]]) -> Answer:
    """What ``/metadata`` says of a signature with these outputs."""
    told = {
        name: {
            "name": f"{name}:0",
            "dtype": "DT_STRING" if name.endswith("_bytes") else "DT_FLOAT",
            "tensor_shape": {"dim": [{"size": str(size), "name": ""} for size in shape], "unknown_rank": False},
        }
        for name, shape in outputs.items()
    }
    signature = {"inputs": {}, "outputs": told, "method_name": "tensorflow/serving/predict"}
    defs = {"signature_def": {"signature_def": {"serving_default": signature}}}
    return Answer(body=json.dumps({"model_spec": {"name": "m"}, "metadata": defs}).encode())


def sent_files(request: Request) -> list[bytes]:
    return [pybase64.b64decode(instance["b64"]) for instance in json.loads(request.body)["instances"]]


class CannedModel:
    """
    Answers as a Model Server with one model would.

    :param transform: one file in, one file out; raises ValueError with the message of a 400.
    :param fault: gets each predict request and may return another answer than the right one.
    :param outputs: name -> shape, for a model whose metadata tells them; ``transform`` then gives a row of predictions.
    """

    def __init__(
        self,
        transform: Callable[[bytes], Any],
        *,
        model_name: str = "m",
        version: int = 1,
        fault: Callable[[Request], Answer | None] = lambda _: None,
        outputs: Mapping[str, Sequence[int]] | None = None,
    ) -> None:
        self.transform = transform
        self.model_name = model_name
        self.version: int | None = version
        self.older_versions: tuple[int, ...] = ()  #: that it serves as well
        self.labels: dict[str, int] = {}
        self.status_fault: Callable[[Request], Answer | None] = lambda _: None  #: as ``fault``, of the other requests
        self.fault = fault
        self.outputs = outputs
        self.predicted: list[bytes] = []  #: every file that was answered, in order
        self.batch_sizes: list[int] = []  #: of every predict request, also those with a fault
        self.paths: list[str] = []

    def __call__(self, request: Request) -> Answer:
        self.paths.append(request.path)
        if request.method == "GET":
            return self._status(request)
        return self._predict(request)

    def _status(self, request: Request) -> Answer:
        wrong = self.status_fault(request)
        if wrong is not None:
            return wrong
        if self.version is None or not request.path.startswith(f"/v1/models/{self.model_name}"):
            return error_answer(404, f"Could not find any versions of model {request.path[11:]}")
        if "/labels/" in request.path:
            return self._label(request.path.split("/")[5])
        if request.path.endswith("/metadata"):
            return metadata_answer(self.outputs or {"output_bytes": [-1]})
        told = {"state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
        entries = [{"version": str(version), **told} for version in (self.version, *self.older_versions)]
        return Answer(body=json.dumps({"model_version_status": entries}).encode())

    def _label(self, label: str) -> Answer:
        version = self.labels.get(label)
        if version is None:
            return error_answer(400, f"Unrecognized servable version label: {label}")
        if version not in (self.version, *self.older_versions):
            return error_answer(404, f"Servable not found for request: Specific({self.model_name}, {version})")
        return Answer(body=json.dumps({"model_spec": {"name": self.model_name, "version": str(version)}}).encode())

    def _predict(self, request: Request) -> Answer:
        files = sent_files(request)
        self.batch_sizes.append(len(files))
        wrong = self.fault(request)
        if wrong is not None:
            return wrong
        prefix = f"/v1/models/{self.model_name}"
        served = {f"{prefix}/versions/{version}:predict" for version in (self.version, *self.older_versions)}
        if request.path not in {f"{prefix}:predict", *served}:
            return error_answer(404, f"Servable not found for request: {request.path}")
        try:
            results = [self.transform(file) for file in files]
        except ValueError as error:
            return error_answer(400, str(error))
        self.predicted.extend(files)
        return rows_answer(results) if self.outputs else predictions_answer(results)
