from __future__ import annotations

import asyncio
import time
from typing import Any

from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from tendies_ops.web.limits.pace import Pace, Turns


def test_turns_come_at_once_until_a_burst_is_used_up_and_then_at_the_pace() -> None:
    turns = Turns(10)
    began_s = time.monotonic()
    waits = [turns.next()[0] for _ in range(100)]
    spent_s = time.monotonic() - began_s
    assert waits[:17] == [0.0] * 17
    assert 100 / 10 - 1.7 - 0.2 - spent_s <= waits[-1] <= 100 / 10 - 1.7


def test_whose_turn_would_come_too_late_is_refused_and_takes_no_turn_from_others() -> None:
    turns = Turns(10)
    answers = [turns.next() for _ in range(1000)]
    given = [has_turn for _, has_turn in answers]
    assert 200 <= sum(given) <= 300, "what comes in twenty seconds and a burst"
    assert given == sorted(given, reverse=True)
    assert all(wait_s > 1 for wait_s, has_turn in answers if not has_turn), "a refusal is no faster than an answer"


def test_pictures_do_not_use_up_the_turns_of_pages() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": scope["path"].encode()})

    paced = Pace(app, pictures_per_second=3.0)
    for _ in range(7):
        paced._pictures.next()
    assert paced._pictures.next()[0] > 0
    client = TestClient(paced)
    began_s = time.monotonic()
    for page in ("/runs", "/models/m", "/runs/m/r"):
        assert client.get(page).text == page
    assert time.monotonic() - began_s < 5


def test_a_refusal_says_when_to_ask_again() -> None:
    async def never(*_: Any) -> None:
        raise AssertionError("it was refused")

    paced = Pace(never, pictures_per_second=1e-6)
    paced._pictures.next()
    while paced._pictures.next()[1]:
        pass

    answer = asyncio.run(_ask(paced))
    assert answer[0]["status"] == 503
    assert dict(answer[0]["headers"])[b"retry-after"] == b"10"


async def _ask(paced: Pace) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b""}

    async def send(message: Any) -> None:
        sent.append(message)

    await paced({"type": "http", "path": "/runs/m/r/pictures/1/after", "method": "GET"}, receive, send)
    return sent
