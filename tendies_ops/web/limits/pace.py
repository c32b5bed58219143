"""
Lets requests in no faster than an API server can bear that has other things to do.

However little a request costs, fifty browsers that ask without a pause take all the time of the one interpreter that
also answers task heartbeats. So each kind of request has a pace; what comes faster waits, which costs nothing.
"""

from __future__ import annotations

import asyncio
import re
import threading
import time

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

PICTURES_PER_SECOND = 30.0
#: A page costs several times as much as a picture.
_PICTURES_FOR_A_PAGE = 3.0
_PATIENCE_S = 20.0  # of a request; then it is refused
_BURST_S = 1.7  # so much of the pace is let in at once: the pictures that a browser's window shows
_PICTURE = re.compile(r".*/(pictures/[^/]+/|golden/|variants/|live/[0-9]|try/[0-9a-f])")


class Pace:
    """
    ASGI middleware: delays requests that come too fast, and refuses those that would wait too long.

    :param pictures_per_second: pictures a second; a third as many pages.
    """

    def __init__(self, app: ASGIApp, *, pictures_per_second: float = PICTURES_PER_SECOND) -> None:
        self.app = app
        self._pictures = Turns(pictures_per_second)
        self._pages = Turns(pictures_per_second / _PICTURES_FOR_A_PAGE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request when it is its turn."""
        if scope["type"] == "http":
            turns = self._pictures if _PICTURE.match(scope["path"]) else self._pages
            wait_s, has_turn = turns.next()
            await asyncio.sleep(wait_s)
            if not has_turn:
                refusal = PlainTextResponse(
                    "Too many pages and pictures are asked for. Try again in some seconds.",
                    status_code=503,
                    headers={"Retry-After": str(round(_PATIENCE_S / 2)), "Cache-Control": "no-store"},
                )
                await refusal(scope, receive, send)
                return
        await self.app(scope, receive, send)


class Turns:
    """Gives out turns at a steady pace. Threads may share it."""

    def __init__(self, per_second: float) -> None:
        self._every_s = 1 / per_second
        self._lock = threading.Lock()
        self._next_s = 0.0

    def next(self) -> tuple[float, bool]:
        """
        Take the next turn.

        :return: seconds until it comes, and True; or, if that is too long, seconds until the refusal is to be sent, so
            that a client that asks again at once is slowed down as well, and False.
        """
        now_s = time.monotonic()
        with self._lock:
            self._next_s = max(self._next_s, now_s - _BURST_S)
            wait_s = max(0.0, self._next_s - now_s)
            if wait_s > _PATIENCE_S:
                return _PATIENCE_S / 4, False
            self._next_s += self._every_s
            return wait_s, True
