"""A blocking call of one trigger holds up neither the event loop nor the others, and is never made twice at once."""

from __future__ import annotations

import asyncio
import threading

import pytest

from tendies_ops.triggers.own_thread import OwnThread


def test_a_call_returns_and_raises_what_the_function_does() -> None:
    async def scenario() -> int:
        thread = OwnThread("t")
        with pytest.raises(ValueError, match="no"):
            await thread.call(_raise, limit_s=20)
        return int(await thread.call(sum, (1, 2), limit_s=20))

    assert asyncio.run(scenario()) == 3


def _raise() -> None:
    raise ValueError("no")


def test_a_call_that_hangs_is_waited_for_and_not_made_again() -> None:
    go_on = threading.Event()
    calls: list[str] = []

    def hang() -> str:
        calls.append("")
        go_on.wait(60)
        return "mended"

    async def scenario() -> str:
        thread = OwnThread("t")
        for _ in range(3):
            with pytest.raises(TimeoutError, match=r"no answer within 0\.01 s"):
                await thread.call(hang, limit_s=0.01)
        go_on.set()
        return str(await thread.call(hang, limit_s=20))

    assert asyncio.run(scenario()) == "mended"
    assert len(calls) == 1


def test_a_hundred_calls_that_hang_leave_the_next_one_alone() -> None:
    go_on = threading.Event()

    async def scenario() -> int:
        stuck = [asyncio.ensure_future(OwnThread("t").call(go_on.wait, 60, limit_s=60)) for _ in range(100)]
        await asyncio.sleep(0)
        answer = int(await OwnThread("t").call(sum, (1, 2), limit_s=20))
        go_on.set()
        await asyncio.gather(*stuck)
        return answer

    assert asyncio.run(scenario()) == 3


def test_a_loop_may_end_while_a_call_hangs() -> None:
    go_on = threading.Event()

    async def scenario() -> None:
        with pytest.raises(TimeoutError):
            await OwnThread("t").call(go_on.wait, 60, limit_s=0.01)

    asyncio.run(scenario())
    go_on.set()
