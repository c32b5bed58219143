"""The pages wait and work next to the server that they are mounted in, never in its event loop or its threads."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from starlette.testclient import TestClient

from tendies_ops.web.limits.lines import Line
from tendies_ops.web.limits.own_loop import THREADS, OwnLoop
from tendies_ops.web.safety import BusyError


class World:
    """An application with a route that is held up, mounted in a server that has a quick one."""

    def __init__(self) -> None:
        self.let_go = threading.Event()
        self.inside = threading.Semaphore(0)
        self.lock = threading.Lock()
        self.now = self.most = 0
        pages = FastAPI()
        pages.get("/held")(self.held)
        pages.get("/broken")(self.broken)
        self.server = FastAPI()
        self.server.get("/quick")(lambda: "quick")
        self.server.mount("/pages", OwnLoop(pages))

    def held(self) -> str:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        self.inside.release()
        assert self.let_go.wait(60)
        with self.lock:
            self.now -= 1
        return "let go"

    def broken(self) -> StreamingResponse:
        def parts() -> Iterator[bytes]:
            yield b"one part"
            raise ValueError("the second part")

        return StreamingResponse(parts())


def test_a_server_answers_while_every_thread_of_the_pages_is_held_up() -> None:
    world = World()
    with TestClient(world.server) as client:
        asks = [threading.Thread(target=client.get, args=("/pages/held",)) for _ in range(60)]
        for ask in asks:
            ask.start()
        for _ in range(THREADS):
            assert world.inside.acquire(timeout=60)
        assert client.get("/quick").json() == "quick"
        world.let_go.set()
        for ask in asks:
            ask.join(60)
        assert client.get("/pages/held").json() == "let go"
    assert world.most == THREADS


def test_a_failure_inside_a_stream_reaches_the_server() -> None:
    with TestClient(World().server) as client, pytest.raises(ValueError, match="the second part"):
        client.get("/pages/broken")


def test_a_request_that_is_given_up_ends_in_the_other_loop_as_well() -> None:
    begun, cancelled = threading.Event(), threading.Event()

    async def waits(*_: Any) -> None:
        begun.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    async def ask() -> None:
        async def nothing(*_: Any) -> Any:
            return {}

        request = asyncio.ensure_future(OwnLoop(waits)({"type": "http"}, nothing, nothing))
        assert await asyncio.to_thread(begun.wait, 30)
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request

    asyncio.run(ask())
    assert cancelled.wait(30)


def test_a_line_lets_in_so_many_has_so_many_wait_and_refuses_the_rest_at_once() -> None:
    async def ask() -> list[str]:
        line, let_go = Line(2, waiting=3, patience_s=60), asyncio.Event()

        async def visit() -> str:
            try:
                async with line.place():
                    await let_go.wait()
                    return "inside"
            except BusyError:
                return "refused"

        visits = [asyncio.create_task(visit()) for _ in range(10)]
        await asyncio.sleep(0)
        refused = [task async for task in _done(visits, 5)]
        let_go.set()
        await asyncio.gather(*visits)
        return [*sorted(task.result() for task in visits), str(len(refused))]

    assert asyncio.run(ask()) == ["inside"] * 5 + ["refused"] * 5 + ["5"]


async def _done(tasks: list[asyncio.Task[str]], number: int) -> Any:
    for _ in range(1000):
        done = [task for task in tasks if task.done()]
        if len(done) >= number:
            break
        await asyncio.sleep(0.01)
    for task in done:
        yield task


def test_who_waits_too_long_is_refused() -> None:
    async def ask() -> None:
        line = Line(1, waiting=5, patience_s=0.05)
        async with line.place():
            began_s = time.monotonic()
            with pytest.raises(BusyError):
                async with line.place():
                    pass
            assert time.monotonic() - began_s < 30
        async with line.place():
            pass

    asyncio.run(ask())
