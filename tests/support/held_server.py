"""A server that lets tests decide how long its work lasts, so that there is time to kill what waits for it."""

from __future__ import annotations

import time
from pathlib import Path

from tests.support.canned_server import Answer, Request
from tests.support.watching_server import Version, WatchingServer


class HeldServer(WatchingServer):
    """
    Loads of ``held`` versions last, and each request takes ``predict_s``, until :meth:`let_go`.

    :param held: version numbers.
    """

    def __init__(self, base: Path, *, held: tuple[int, ...] = (), predict_s: float = 0.0) -> None:
        self.held, self.predict_s = set(held), predict_s
        super().__init__(base)

    def let_go(self) -> None:
        """From now on nothing takes long."""
        self.held.clear()
        self.predict_s = 0.0

    def is_loading(self, version: int) -> bool:
        known = self.versions.get(version)
        return known is not None and known.state == "LOADING"

    def _sleep(self, seconds: float, number: int) -> bool:
        while number in self.held:
            if self._stopped.wait(0.02):
                return False
            if self._aspired() != number:  # the real one ends the load and unloads at once: no error comes of it
                self.versions[number] = Version("END")
                return False
        return super()._sleep(seconds, number)

    def _answer(self, request: Request) -> Answer:
        if request.path.endswith(":predict"):
            time.sleep(self.predict_s)
        return super()._answer(request)
