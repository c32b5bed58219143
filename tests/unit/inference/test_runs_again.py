"""The next run over the same folder: after a whole one, a stopped one, a killed one; with other pictures or options."""

from __future__ import annotations

import os
import time

import pytest

from tendies_ops.errors import (
    StoppedError,
)
from tendies_ops.inference.requests import coordinator
from tests.support.batch_bench import Bench, counts
from tests.support.canned_server import Answer, Request
from tests.support.sample_pictures import folder_of_pngs, inverted, png


def test_a_second_run_predicts_nothing(bench: Bench) -> None:
    folder_of_pngs(bench.input, 10)
    bench.run()
    before = list(bench.model.predicted)
    report = bench.run()
    assert counts(report) == (10, 0, 10, 0)
    assert bench.model.predicted == before


def test_only_what_changed_is_done_again(bench: Bench) -> None:
    folder_of_pngs(bench.input, 6)
    bench.run()
    bench.model.predicted.clear()
    bench.add("00002.png", png(99))
    os.utime(bench.input / "00003.png")  # touched, not changed
    (bench.output / "00004.png").unlink()
    bench.add("new.png", png(100))
    report = bench.run()
    assert counts(report) == (7, 3, 4, 0)
    assert sorted(bench.model.predicted) == sorted([png(99), png(4), png(100)])
    assert bench.newest_records()["00002.png"]["attempt"] == 2
    assert counts(bench.run()) == (7, 0, 7, 0)


@pytest.mark.parametrize("change", [{"output_format": "webp"}, {"provenance": True}, {"size": (8, 8)}])
def test_changed_options_do_everything_again(bench: Bench, change: dict[str, object]) -> None:
    folder_of_pngs(bench.input, 3)
    bench.run()
    assert counts(bench.run(**change)) == (3, 3, 0, 0)
    assert len(bench.outputs()) == 3


def test_a_picture_that_comes_back_leaves_the_result_of_the_one_that_took_its_name(bench: Bench) -> None:
    bench.add("x.png", png(1))
    bench.run()
    (bench.input / "x.png").unlink()
    bench.add("x.jpeg", png(2))  # its result takes the place of the other's
    bench.run()
    bench.add("x.png", png(1))

    report = bench.run()

    assert (report.done, report.skipped) == (1, 1)
    assert {record["output"] for record in bench.newest_records().values()} == set(bench.outputs())
    assert bench.run().skipped == 2


def test_another_version_does_everything_again(bench: Bench) -> None:
    folder_of_pngs(bench.input, 3)
    bench.run()
    bench.model.version = 2
    assert counts(bench.run()) == (3, 3, 0, 0)


def test_a_lasting_failure_is_reported_again_without_asking_again(bench: Bench) -> None:
    bench.add("bad.png", b"\x89PNG\r\n\x1a\nbroken")
    bench.add("good.png", png(1))
    bench.run()
    report = bench.run()
    assert counts(report) == (2, 0, 1, 1)
    assert report.failures[0].reason == bench.newest_records()["bad.png"]["reason"]
    assert len(bench.records()) == 2
    bench.run(retry_failed=True)
    assert bench.newest_records()["bad.png"]["attempt"] == 2


def test_a_picture_above_a_limit_is_done_when_the_limit_is_raised_and_the_others_are_not_done_again(
    bench: Bench,
) -> None:
    bench.add("large.png", png(1, (40, 40)))
    bench.add("small.png", png(2))
    first = bench.run(max_megapixels=0.001)
    assert (first.done, first.failures[0].kind) == (1, "too_large")
    assert counts(bench.run()) == (2, 1, 1, 0)


def test_a_stopped_run_ends_soon_keeps_what_is_done_and_goes_on_later(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop_after_three_requests(_: Request) -> Answer | None:
        if len(bench.model.batch_sizes) <= 3:
            return None
        while len(bench.records()) < 12:
            time.sleep(0.01)
        bench.cancelled.set()
        return Answer(delay_s=30.0)

    monkeypatch.setattr(coordinator, "_GRACE_S", 0.1)
    bench.model.fault = stop_after_three_requests
    folder_of_pngs(bench.input, 40)
    started_s = time.monotonic()
    with pytest.raises(StoppedError, match="rerun it to continue"):
        bench.run(max_batch_size=4, timeout_s=60.0)
    assert time.monotonic() - started_s < 4.0
    done = [record["input"] for record in bench.records()]
    assert len(done) == 12
    assert set(bench.outputs()) == set(done)
    bench.cancelled.clear()
    bench.model.fault = lambda _: None
    bench.model.predicted.clear()
    assert counts(bench.run()) == (40, 28, 12, 0)
    assert len(bench.model.predicted) == 28


def test_a_torn_last_line_is_passed_over(bench: Bench) -> None:
    folder_of_pngs(bench.input, 3)
    bench.run()
    ledger = bench.output / ".tendies" / "ledger.jsonl"
    ledger.write_bytes(ledger.read_bytes()[:-40])
    assert counts(bench.run()) == (3, 1, 2, 0)
    assert counts(bench.run()) == (3, 0, 3, 0)


def test_what_a_killed_run_left_half_written_is_cleared_away(bench: Bench) -> None:
    folder_of_pngs(bench.input, 1)
    parts = bench.output / ".tendies" / "parts"
    parts.mkdir(parents=True)
    (parts / "0").write_bytes(b"half")
    bench.run()
    assert not parts.exists()


def test_a_sample_does_so_many_and_the_next_run_the_rest(bench: Bench) -> None:
    folder_of_pngs(bench.input, 20)
    assert counts(bench.run(sample=5)) == (5, 5, 0, 0)
    assert counts(bench.run()) == (20, 15, 5, 0)


def test_a_result_that_a_killed_run_has_replaced_is_not_taken_for_the_one_in_the_ledger(bench: Bench) -> None:
    for seed in range(3):
        bench.add(f"{seed}.png", png(seed))
    bench.run()
    (bench.output / "1.png").write_bytes(png(99))  # the other version's answer; its ledger line was never written
    (bench.output / "2.png").write_bytes(inverted(png(2)))  # someone's copy of the same
    report = bench.run()
    assert counts(report) == (3, 1, 2, 0)
    assert bench.outputs()["1.png"] == inverted(png(1))
