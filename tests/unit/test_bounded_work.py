"""Bookkeeping that fails or hangs costs the work nothing."""

from __future__ import annotations

import threading
import time

import pytest

from tendies_ops import bounded_work
from tendies_ops.bounded_work import LatestValue, run_bounded


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_work, "_FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(bounded_work, "_LONGEST_PAUSE_S", 0.02)


def until(check: threading.Event) -> None:
    assert check.wait(20)


def test_the_last_value_is_delivered_before_close_returns() -> None:
    delivered: list[int] = []
    values: LatestValue[int] = LatestValue("It", delivered.append)
    for value in range(1000):
        values.put(value)

    assert values.close(20)
    assert delivered[-1] == 999
    assert delivered == sorted(delivered)


def test_a_delivery_that_hangs_holds_up_neither_put_nor_close() -> None:
    delivered: list[int] = []
    begun, go_on = threading.Event(), threading.Event()

    def deliver(value: int) -> None:
        begun.set()
        go_on.wait(20)
        delivered.append(value)

    values: LatestValue[int] = LatestValue("It", deliver)
    values.put(1)
    until(begun)
    values.put(2)
    values.put(3)

    assert not values.close(0.01)
    go_on.set()
    assert values.close(20)
    assert delivered == [1, 3], "what was replaced while the first one hung is left out"


@pytest.mark.usefixtures("short_pauses")
def test_failed_deliveries_are_reported_once_and_made_good_with_the_newest_value() -> None:
    delivered: list[int] = []
    warnings: list[str] = []
    failed_often, well = threading.Event(), threading.Event()
    attempts = 0

    def deliver(value: int) -> None:
        nonlocal attempts
        attempts += 1
        if attempts <= 4:
            raise ConnectionError("the database is away")
        failed_often.set()
        delivered.append(value)
        well.set()

    values: LatestValue[int] = LatestValue("Progress", deliver, warn=warnings.append)
    values.put(7)
    until(well)

    assert values.close(20)
    assert delivered == [7]
    assert warnings == [
        "Progress could not be written; the work goes on. ConnectionError: the database is away",
        "Progress could be written again, after 4 failed attempts.",
    ]


def test_a_value_that_waits_out_a_pause_is_tried_once_more_at_the_end() -> None:
    attempts: list[int] = []
    begun = threading.Event()

    def deliver(value: int) -> None:
        attempts.append(value)
        begun.set()
        raise OSError("disk full")

    values: LatestValue[int] = LatestValue("It", deliver, warn=lambda _: None)
    values.put(1)
    until(begun)
    values.put(2)

    assert values.close(20)
    assert attempts == [1, 2]


def test_closing_without_a_value_starts_no_thread() -> None:
    before = threading.active_count()

    assert LatestValue("It", print).close(1)
    assert threading.active_count() == before


def test_a_job_that_raises_is_a_warning_and_not_an_error() -> None:
    warnings: list[str] = []

    assert run_bounded("The metrics", lambda: None, limit_s=20, warn=warnings.append)
    assert not run_bounded("The metrics", lambda: {}["x"], limit_s=20, warn=warnings.append)  # type: ignore[index]
    assert warnings == ["The metrics could not be written, which changes nothing else. KeyError: 'x'"]


def test_a_job_that_hangs_is_left_to_itself() -> None:
    warnings: list[str] = []
    go_on = threading.Event()
    started_s = time.monotonic()

    assert not run_bounded("The sheet", lambda: go_on.wait(60), limit_s=0.05, warn=warnings.append)
    assert time.monotonic() - started_s < 30
    go_on.set()
    assert warnings == ["The sheet could not be written within 0.05 s; the task does not wait for it any longer."]
