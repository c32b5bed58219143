"""When requests in doubt are asked again, with nothing else of the run in flight."""

from __future__ import annotations

from tendies_ops.inference.requests.doubts import Doubts
from tendies_ops.inference.requests.packer import Request


def with_waiting(count: int, pause_s: float = 0.0) -> tuple[Doubts, list[Request]]:
    doubts, requests = Doubts(), [Request([]) for _ in range(count)]
    for request in requests:
        doubts.add(request, now_s=0.0, pause_s=pause_s)
    return doubts, requests


def is_quiet(doubts: Doubts) -> bool:
    return doubts.quiet


def test_a_few_wait_until_nothing_else_is_to_be_done_and_many_do_not() -> None:
    few, _ = with_waiting(3)
    few.begin(idle=False, in_flight=0)
    assert not is_quiet(few)
    few.begin(idle=True, in_flight=4)
    assert is_quiet(few)
    many, _ = with_waiting(32)
    many.begin(idle=False, in_flight=4)
    assert is_quiet(many)


def test_a_phase_is_one_pass_and_ends_when_its_last_request_is_back() -> None:
    doubts, requests = with_waiting(2)
    doubts.begin(idle=True, in_flight=0)
    assert doubts.next(0.0) is requests[0]
    doubts.add(requests[0], now_s=0.0, pause_s=0.0)
    assert doubts.next(0.0) is requests[1]
    assert doubts.next(0.0) is None, "what is still in doubt waits for the next phase"
    doubts.begin(idle=False, in_flight=1)
    assert is_quiet(doubts), "its last request is still with the server"
    doubts.begin(idle=False, in_flight=0)
    assert not is_quiet(doubts)
    assert len(doubts) == 1


def test_a_pause_is_drawn_and_kept() -> None:
    doubts, _ = with_waiting(1, pause_s=0.1)
    doubts.begin(idle=True, in_flight=0)
    assert 0.0 <= doubts.seconds_left(0.0) <= 0.1
    assert doubts.next(0.2) is not None
    assert all(1 <= doubts.padding() < 1024 for _ in range(1000))
