"""A run that holds itself back: no more pictures a second than it may send, and none outside its hours."""

from __future__ import annotations

import threading
import time
from datetime import datetime, timedelta, timezone

import pytest

from tendies_ops.errors import StoppedError
from tendies_ops.inference import BatchOptions, BatchProgress, run_batch
from tendies_ops.inference.requests.throttle import Throttle
from tests.support.batch_bench import Bench
from tests.support.sample_pictures import folder_of_pngs

NOON = datetime(2026, 1, 10, 12, tzinfo=timezone.utc)


def test_pictures_are_sent_no_faster_than_they_may() -> None:
    throttle, sent = Throttle(20.0, None), 0
    for hundredth in range(1000):
        if throttle.may_send(50 + hundredth / 100, NOON):
            throttle.on_sent(4, 50 + hundredth / 100)
            sent += 4
    assert sent == pytest.approx(200, abs=4)


def test_after_a_stop_of_the_servers_a_second_is_caught_up_with_and_no_more() -> None:
    throttle = Throttle(10.0, None)
    throttle.on_sent(1, 100.0)
    sent = 0
    while throttle.may_send(200.0, NOON):
        throttle.on_sent(1, 200.0)
        sent += 1
    assert sent == pytest.approx(11, abs=1)


@pytest.mark.parametrize(
    ("shard", "slots", "own"), [(None, None, 30.0), ((1, 3), None, 10.0), ((1, 6), 3, 10.0), ((0, 2), 3, 15.0)]
)
def test_the_shards_of_a_batch_have_its_rate_together(
    shard: tuple[int, int] | None, slots: int | None, own: float
) -> None:
    options = BatchOptions(
        input="i", output="o", model_name="m", servers=("http://h:1",), shard=shard, shard_slots=slots, max_rate=30
    )
    assert (options.own_rate, options.max_request_pictures) == (own, min(32, own))


def test_a_run_with_a_rate_takes_its_time_and_does_every_picture(bench: Bench) -> None:
    folder_of_pngs(bench.input, 30)
    report = bench.run(max_rate=25)
    assert (report.done, report.failed) == (30, 0)
    assert 1.0 <= report.elapsed_s < 5.0
    assert max(bench.model.batch_sizes) <= 25


def test_a_run_outside_its_hours_waits_and_says_so(bench: Bench) -> None:
    folder_of_pngs(bench.input, 3)
    begin = datetime.now(timezone.utc) + timedelta(hours=2)
    hours = f"{begin:%H:%M}-{begin + timedelta(hours=1):%H:%M}"
    seen: list[BatchProgress] = []
    threading.Timer(1.0, bench.cancelled.set).start()
    with pytest.raises(StoppedError):
        run_batch(bench.options(hours=hours), cancelled=bench.cancelled, on_progress=seen.append)
    assert bench.model.predicted == []
    assert {one.state for one in seen} == {"waiting"}
    assert f"outside the hours of this batch ({hours} UTC)" in seen[-1].message


def test_a_run_within_its_hours_does_not_wait(bench: Bench) -> None:
    folder_of_pngs(bench.input, 3)
    begin = datetime.now(timezone.utc) - timedelta(hours=2)
    started_s = time.monotonic()
    assert bench.run(hours=f"{begin:%H:%M}-{begin + timedelta(hours=4):%H:%M}").done == 3
    assert time.monotonic() - started_s < 3.0
