"""Requests all along, and what became of each."""

from __future__ import annotations

import base64
import http.client
import json
import threading
import time
from urllib.parse import urlsplit


class SteadyLoad:
    """
    Sends one picture over and over from a thread, with nothing but the standard library; a context manager.

    :param pause_s: between an answer and the next request.
    """

    def __init__(self, url: str, model_name: str, picture: bytes, *, pause_s: float = 0.005) -> None:
        self._parts = urlsplit(url)
        self._path = f"/v1/models/{model_name}:predict"
        self._body = json.dumps({"instances": [{"b64": base64.b64encode(picture).decode()}]})
        self._pause_s = pause_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.answered = 0
        self.failures: list[str] = []
        self.failed_at_s: list[float] = []  #: of each failure, time.monotonic()
        self.pictures: dict[bytes, float] = {}  #: every different answer -> when it came last, time.monotonic()

    def __enter__(self) -> SteadyLoad:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        connection = http.client.HTTPConnection(self._parts.hostname or "", self._parts.port, timeout=30)
        while not self._stop.wait(self._pause_s):
            try:
                connection.request("POST", self._path, self._body)
                response = connection.getresponse()
                body = response.read()
            except (OSError, http.client.HTTPException) as error:
                self._fail(repr(error))
                connection.close()
                continue
            if response.status != 200:
                self._fail(f"{response.status} {body[:300]!r}")
                continue
            self.answered += 1
            self.pictures[base64.b64decode(json.loads(body)["predictions"][0]["b64"])] = time.monotonic()

    def _fail(self, words: str) -> None:
        self.failures.append(words)
        self.failed_at_s.append(time.monotonic())
