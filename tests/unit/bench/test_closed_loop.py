"""Requests shared among lanes: none is lost or done twice, and no one ends a turn with an idle lane."""

from __future__ import annotations

import threading
import time

import pytest

from bench.closed_loop import SHARED_EVENLY, requests_in, take_turns


def test_every_request_is_done_once_by_lanes_that_work_side_by_side() -> None:
    both = threading.Barrier(2, timeout=5)
    lanes: list[int] = []

    def predict(lane: int) -> None:
        both.wait()
        lanes.append(lane)

    take_turns(10, 2, predict)

    assert sorted(lanes) == [0] * 5 + [1] * 5


def test_a_turn_ends_when_the_last_request_is_done() -> None:
    assert 0.3 <= take_turns(6, 2, lambda _: time.sleep(0.1)) < 0.6


def test_what_a_request_raises_ends_the_turn() -> None:
    def predict(lane: int) -> None:
        if lane == 1:
            raise ValueError("no picture")

    with pytest.raises(ValueError, match="no picture"):
        take_turns(10**6, 2, predict)


@pytest.mark.parametrize(
    ("seconds", "images_per_second", "batch_size", "requests"),
    [(0.5, 4_000, 32, 60), (1.0, 25, 4, 6), (3.5, 1.8, 1, 6), (7.0, 1.8, 1, 12)],
)
def test_a_turn_is_a_number_of_requests_that_two_and_three_lanes_share_evenly(
    seconds: float, images_per_second: float, batch_size: int, requests: int
) -> None:
    assert requests_in(seconds, images_per_second, batch_size) == requests
    assert requests % SHARED_EVENLY == 0
