"""
Run the pages in an event loop of their own, next to Airflow's.

A mounted application shares Airflow's event loop and its 40 threads for synchronous routes: what waits or works there
delays task heartbeats. So a request crosses into an event loop of the pages' own, in a thread of its own, whose
synchronous routes have few threads of their own.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

import anyio.to_thread
from starlette.types import ASGIApp, Message, Receive, Scope, Send

THREADS = 8  #: for synchronous routes and dependencies; what waits for long has its own
_SEND_PATIENCE_S = 60.0  # for a client that reads nothing of an answer

Result = TypeVar("Result")


class OwnLoop:
    """
    ASGI middleware: passes each request on to the application in another event loop.

    The loop begins with the first request, in the process that serves it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._lock = threading.Lock()
        self._loop: tuple[int, asyncio.AbstractEventLoop] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        airflows = asyncio.get_running_loop()

        async def receive_there() -> Message:
            return await _run_in(airflows, receive())

        async def send_there(message: Message) -> None:
            await asyncio.wait_for(_run_in(airflows, send(message)), _SEND_PATIENCE_S)

        await _run_in(self._running(), self.app(scope, receive_there, send_there))

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None or self._loop[0] != os.getpid():  # a fork has no threads
                loop = asyncio.new_event_loop()
                threading.Thread(target=self._run, args=(loop,), name="tendies-pages", daemon=True).start()
                self._loop = (os.getpid(), loop)
            return self._loop[1]

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        async def limit_threads() -> None:
            anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS

        asyncio.set_event_loop(loop)
        loop.run_until_complete(limit_threads())
        loop.run_forever()


async def _run_in(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Result] | Any) -> Result:
    """Run a coroutine in another loop, and cancel it there when this one is cancelled."""
    result: Result = await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, loop))
    return result
