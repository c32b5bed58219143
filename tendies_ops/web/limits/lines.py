"""Waiting lines: how many requests of a kind are worked on at the same time, how many wait, and for how long."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tendies_ops.web.safety import BusyError


class Line:
    """
    A waiting line for requests. All of them run in one event loop.

    :param places: requests that are inside at the same time.
    :param waiting: requests that may wait for a place; further ones are refused at once.
    :param patience_s: longest wait.
    """

    def __init__(self, places: int, *, waiting: int, patience_s: float) -> None:
        self._limit = places + waiting
        self._patience_s = patience_s
        self._inside = asyncio.Semaphore(places)
        self._present = 0

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """
        Hold a place.

        :raises BusyError: the line is full, or did not move for too long.
        """
        if self._present >= self._limit:
            raise BusyError("the line is full")
        self._present += 1
        try:
            await self._enter()
            try:
                yield
            finally:
                self._inside.release()
        finally:
            self._present -= 1

    async def _enter(self) -> None:
        try:
            await asyncio.wait_for(self._inside.acquire(), self._patience_s)
        except asyncio.TimeoutError as error:
            raise BusyError("the line did not move") from error
