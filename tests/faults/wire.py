"""
The wire between tendies and a server: a proxy that passes everything on, but for what a fault makes of it.

It also keeps account of which pictures were answered, as no one else in the middle can be asked.
"""

from __future__ import annotations

import base64
import dataclasses
import http.client
import io
import json
import threading
from collections import Counter
from collections.abc import Callable
from urllib.parse import urlsplit

from PIL import Image

from tests.support.canned_server import Answer, CannedServer, Request

Change = Callable[[Request, Answer], Answer]
_CUT = Answer(cut_after_bytes=0)


class Wire(CannedServer):
    """
    A context manager.

    :param upstream: URL of the server.
    """

    def __init__(self, upstream: str, *, port: int = 0) -> None:
        parts = urlsplit(upstream)
        self._address = parts.hostname or "", parts.port
        self.fault: Change = lambda _, answer: answer
        self.answered: Counter[bytes] = Counter()  #: picture that was sent -> how often its answer went out whole
        self.seen = 0  #: requests of every kind
        self._counting = threading.Lock()
        super().__init__(self._pass_on, port=port)

    def __enter__(self) -> Wire:
        return self

    def _pass_on(self, request: Request) -> Answer:
        self.seen += 1
        answer = self.fault(request, self._ask(request))
        whole = answer.status == 200 and answer.raw is None and answer.cut_after_bytes is None
        if whole and request.path.endswith(":predict"):
            with self._counting:
                self.answered.update(pictures_of(request))
        return answer

    def _ask(self, request: Request) -> Answer:
        connection = http.client.HTTPConnection(*self._address, timeout=30)
        try:
            connection.request(request.method, request.path, request.body or None)
            response = connection.getresponse()
            return Answer(response.status, response.read())
        except (OSError, http.client.HTTPException):
            return _CUT  # the server is away
        finally:
            connection.close()


def pictures_of(request: Request) -> list[bytes]:
    """The files that a predict request sends."""
    return [base64.b64decode(instance["b64"]) for instance in json.loads(request.body)["instances"]]


def every(number: int, change: Change, *, only: str = ":predict") -> Change:
    """Apply ``change`` to every ``number``-th request whose path ends so, first to the second such request."""
    seen = 0
    lock = threading.Lock()

    def sometimes(request: Request, answer: Answer) -> Answer:
        nonlocal seen
        if not request.path.endswith(only):
            return answer
        with lock:
            seen += 1
            due = number == 1 or seen % number == 2 % number
        return change(request, answer) if due else answer

    return sometimes


def status(code: int, message: str) -> Change:
    """An error in the server's own form."""
    return lambda *_: Answer(code, json.dumps({"error": message}).encode())


def reset_after(size_bytes: int) -> Change:
    """The connection is reset this many bytes into the answer."""
    return lambda _, answer: Answer(answer.status, answer.body, cut_after_bytes=size_bytes, reset=True)


def slow_loris(bytes_per_second: float) -> Change:
    """A byte now and then, for ever."""
    return lambda _, answer: Answer(answer.status, answer.body, bytes_per_second=bytes_per_second)


def cut_json(_: Request, answer: Answer) -> Answer:
    """A body that ends in its middle, under a length that agrees."""
    return Answer(200, answer.body[: len(answer.body) // 2])


def garbage(*_: object) -> Answer:
    """What a proxy of someone else says."""
    return Answer(200, b"<html><body>Sign in to continue\x00\xff</body></html>")


def changed_rows(change: Callable[[list[object]], list[object]]) -> Change:
    """An answer whose predictions were changed."""

    def apply(_: Request, answer: Answer) -> Answer:
        if answer.status != 200:
            return answer
        rows = change(json.loads(answer.body)["predictions"])
        return Answer(200, json.dumps({"predictions": rows}, indent=4).encode())

    return apply


def late(answer: Answer, delay_s: float) -> Answer:
    """The same, after a while."""
    return dataclasses.replace(answer, delay_s=delay_s)


def cropped(rows: list[object]) -> list[object]:
    """Every picture without its last line."""
    return [{"b64": base64.b64encode(_cropped(base64.b64decode(row["b64"]))).decode()} for row in rows]  # type: ignore[index]


def _cropped(file: bytes) -> bytes:
    with Image.open(io.BytesIO(file)) as image:
        buffer = io.BytesIO()
        image.crop((0, 0, image.width, image.height - 1)).save(buffer, "PNG")
    return buffer.getvalue()
