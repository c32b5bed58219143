"""
moto's S3 server as a process of its own, as slow and as faulty as a test wants it.

Each request waits ``latency_s`` before it is looked at. A share of them is answered 503 SlowDown (throttled) or 500
InternalError, or gets no answer at all: the connection is cut, before or after the work was done.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from tests.support.ports import free_port

_ROOT = Path(__file__).parents[2]
#: The failures that come and go.
PASSING = ("503 Slow Down", "500 Internal Server Error", "cut", "cut late")
#: The count of most requests under way at once since the server was last told how to behave.
AT_ONCE = "at once"
_ERRORS = {
    "503 Slow Down": b"SlowDown",
    "500 Internal Server Error": b"InternalError",
    "403 Forbidden": b"AccessDenied",
}


@dataclass(frozen=True)
class S3:
    """A running server."""

    url: str

    @property
    def environment(self) -> dict[str, str]:
        """By which every S3 client finds it."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def counts(self) -> dict[str, int]:
        """Requests so far, by method, and failures, by kind."""
        counted: dict[str, int] = requests.get(f"{self.url}/tendies-counts", timeout=10).json()
        return counted

    def refuse_writing(self) -> None:
        """From now on, nothing may be written."""
        requests.get(f"{self.url}/tendies-behave", params={"refuse": "PUT"}, timeout=10).raise_for_status()

    def behave(self, *, latency_s: float, failing: float) -> None:
        """From now on, be so slow and so faulty."""
        told = {"latency_s": str(latency_s), "failing": str(failing)}
        requests.get(f"{self.url}/tendies-behave", params=told, timeout=10).raise_for_status()


@contextmanager
def s3_server() -> Iterator[S3]:
    """Start one, fast and faultless at first."""
    port = free_port()
    command = [sys.executable, "-m", "tests.support.s3_server", "--port", str(port)]
    process = subprocess.Popen(command, cwd=_ROOT, env={**os.environ}, stderr=subprocess.DEVNULL)
    server = S3(f"http://127.0.0.1:{port}")
    try:
        _wait_until_it_answers(server, process)
        yield server
    finally:
        process.terminate()
        process.wait(10)


def _wait_until_it_answers(server: S3, process: subprocess.Popen[bytes]) -> None:
    deadline_s = time.monotonic() + 60
    while True:
        assert process.poll() is None, "the S3 server has ended"
        assert time.monotonic() < deadline_s, "the S3 server does not answer"
        try:
            server.counts()
        except requests.ConnectionError:
            time.sleep(0.05)
        else:
            return


class Faulty:
    """A WSGI application around moto's."""

    def __init__(self, application: Callable[..., Iterable[bytes]]) -> None:
        self._application = application
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._random = random.Random(7)
        self._latency_s = self._failing = 0.0
        self._refused = ""
        self._under_way = 0

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"].startswith("/tendies-"):
            return self._control(environ, start_response)
        with self._lock:
            self._under_way += 1
            self._counts[AT_ONCE] = max(self._counts[AT_ONCE], self._under_way)
        try:
            return self._serve(environ, start_response)
        finally:
            with self._lock:
                self._under_way -= 1

    def _serve(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        time.sleep(self._latency_s)
        with self._lock:
            self._counts[environ["REQUEST_METHOD"]] += 1
            fate = self._random.choice(PASSING) if self._random.random() < self._failing else ""
            self._counts[fate] += 1
        if environ["REQUEST_METHOD"] == self._refused:
            fate = "403 Forbidden"
        if fate in _ERRORS:
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            body = b"<?xml version='1.0'?><Error><Code>%s</Code><Message>try again</Message></Error>" % _ERRORS[fate]
            start_response(fate, [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
            return [body]
        if fate == "cut":
            return self._cut(environ)
        answer = self._application(environ, start_response)
        return self._cut(environ) if fate else answer

    def _control(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/tendies-behave":
            told = dict(pair.split("=") for pair in environ["QUERY_STRING"].split("&"))
            self._latency_s, self._failing = float(told.get("latency_s", 0)), float(told.get("failing", 0))
            self._refused = told.get("refuse", "")
            self._counts[AT_ONCE] = 0
        body = json.dumps(self._counts).encode()
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]

    @staticmethod
    def _cut(environ: dict[str, Any]) -> Iterable[bytes]:
        environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
        raise ConnectionResetError


def main() -> None:
    """Serve until stopped."""
    from moto.moto_server.werkzeug_app import create_backend_app
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Handler(WSGIRequestHandler):
        """Closes each connection after its answer, as werkzeug does; real stores keep them and are cheaper to ask."""

        protocol_version = "HTTP/1.1"

        def log_request(self, *_: Any) -> None:
            """No one reads it."""

    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    port = parser.parse_args().port
    application = Faulty(create_backend_app("s3"))
    make_server("127.0.0.1", port, application, threaded=True, request_handler=Handler).serve_forever()


if __name__ == "__main__":
    main()
