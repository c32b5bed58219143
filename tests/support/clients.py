"""Clients that ask a server again and again, and keep what they were told and how long it took."""

from __future__ import annotations

import base64
import http.client
import json
import threading
import time
from dataclasses import dataclass, field


@dataclass
class Clients:
    """
    Threads with a connection each; use it with ``with``.

    :param file: what every request sends.
    """

    port: int
    model_name: str
    count: int = 4
    file: bytes = b"picture"
    answers: dict[bytes, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    times: list[tuple[float, float]] = field(default_factory=list)  #: when asked, seconds until answered

    def __post_init__(self) -> None:
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(self.count)]

    def __enter__(self) -> Clients:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def percentile_s(self, share: float, since: float, until: float) -> float:
        """The latency that this share of the requests in a span of time stayed below."""
        found = sorted(elapsed for asked, elapsed in self.times if since <= asked < until)
        return found[min(len(found) - 1, int(share * len(found)))]

    def _run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        body = json.dumps({"instances": [{"b64": base64.b64encode(self.file).decode()}]})
        while not self._stopping.is_set():
            asked = time.monotonic()
            try:
                connection.request("POST", f"/v1/models/{self.model_name}:predict", body)
                response = connection.getresponse()
                text = response.read()
                self._note(asked, response.status, text)
            except (OSError, http.client.HTTPException) as error:
                with self._lock:
                    self.failures.append(repr(error))
                connection.close()
        connection.close()

    def _note(self, asked: float, status: int, text: bytes) -> None:
        elapsed = time.monotonic() - asked
        with self._lock:
            if status != 200:
                self.failures.append(f"{status}: {text[:200]!r}")
                return
            answer = base64.b64decode(json.loads(text)["predictions"][0]["b64"])
            self.answers[answer] = self.answers.get(answer, 0) + 1
            self.times.append((asked, elapsed))
