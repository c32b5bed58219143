"""A canned model on a server that merges the requests of its clients, as Model Server does with --enable_batching."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.support.canned_server import Answer, CannedModel, Request, error_answer, sent_files


@dataclass
class _Window:
    """Requests that came in within one batch timeout: one that fails fails all."""

    closes_s: float
    words: list[str] = field(default_factory=list)
    left: threading.Event = field(default_factory=threading.Event)


class MergingModel(CannedModel):
    """
    Answers all requests of a window 400 when the model refuses one file of one of them.

    :param refuses: words for a file that the model refuses; empty for one that it takes.
    :param window_s: how long the first request of a window waits for others.
    """

    def __init__(
        self, transform: Callable[[bytes], bytes], refuses: Callable[[bytes], str], *, window_s: float = 0.03
    ) -> None:
        super().__init__(transform, fault=self._merged)
        self._refuses, self._window_s = refuses, window_s
        self._window: _Window | None = None
        self._windows = threading.Lock()

    def _merged(self, request: Request) -> Answer | None:
        words = [said for file in sent_files(request) if (said := self._refuses(file))]
        with self._windows:
            if self._window is None or time.monotonic() >= self._window.closes_s:
                self._window = _Window(time.monotonic() + self._window_s)
            window = self._window
            window.words += words
        window.left.wait(max(0.0, window.closes_s - time.monotonic()))
        return error_answer(400, window.words[0]) if window.words else None


def post_over_and_over(url: str, file: bytes, stop: threading.Event, pause_s: float) -> threading.Thread:
    """Be another client that sends the same file all the time."""
    import pybase64
    import requests

    body = json.dumps({"instances": [{"b64": pybase64.b64encode(file).decode()}]})

    def post() -> None:
        while not stop.wait(pause_s):
            with contextlib.suppress(requests.ConnectionError):  # the server has been stopped
                requests.post(f"{url}/v1/models/m:predict", data=body, timeout=10)

    thread = threading.Thread(target=post, daemon=True)
    thread.start()
    return thread
