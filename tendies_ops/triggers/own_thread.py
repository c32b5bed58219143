"""A thread for the blocking calls of one trigger, so that a call that hangs delays no other trigger."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Any


class OwnThread:
    """
    Run one trigger's blocking calls, one at a time, without the event loop's shared pool of threads.

    That pool has few threads, and servers or mounts that hang would block all of them, for Airflow's own calls too. If
    the last call is still running, the next one waits for it, so a trigger has one thread at most. The thread is a
    daemon: it does not keep the triggerer from stopping.

    :param name: of the thread.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._at_work: asyncio.Future[Any] | None = None

    async def call(self, function: Callable[..., Any], *arguments: Any, limit_s: float) -> Any:
        """
        Call a function and return what it returns.

        :raises TimeoutError: it has not returned within ``limit_s`` seconds.
        """
        if self._at_work is None:
            self._at_work = self._start(function, arguments)
        done, _ = await asyncio.wait({self._at_work}, timeout=limit_s)
        if not done:
            raise TimeoutError(f"no answer within {limit_s:g} s")
        finished, self._at_work = self._at_work, None
        return finished.result()

    def _start(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> asyncio.Future[Any]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()

        def work() -> None:
            try:
                settle, value = future.set_result, function(*arguments)
            except Exception as error:
                settle, value = future.set_exception, error
            with contextlib.suppress(RuntimeError):  # the loop is closed: the triggerer has stopped
                loop.call_soon_threadsafe(_settle, future, settle, value)

        threading.Thread(target=work, name=self._name, daemon=True).start()
        return future


def _settle(future: asyncio.Future[Any], settle: Callable[[Any], None], value: Any) -> None:
    if not future.cancelled():
        settle(value)
