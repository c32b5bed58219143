"""Models that take some pictures only, and servers that have no room for many: no one innocent is blamed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from tendies_ops.client import replica_health
from tendies_ops.inference.picture.prepare import control_picture
from tendies_ops.inference.requests import pacer as pacing
from tests.support.batch_bench import Bench
from tests.support.canned_server import Answer, Request, error_answer, sent_files
from tests.support.sample_pictures import decoded, folder_of_pngs, inverted, png

OF_MEMORY = error_answer(429, "OOM when allocating tensor with shape[32,512,512,64] and type float on GPU:0")


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pacing, "_FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(pacing, "_LONGEST_PAUSE_S", 0.05)
    monkeypatch.setattr(replica_health, "_FIRST_LOOK_S", 0.01)
    monkeypatch.setattr(replica_health, "_LONGEST_LOOK_S", 0.05)


def only_16_by_16(data: bytes) -> bytes:
    if decoded(data).size != (16, 16):
        raise ValueError("Expecting 16x16 pictures")
    return inverted(data)


def test_a_request_that_the_server_has_no_memory_for_is_split_until_it_fits(make_bench: Callable[..., Bench]) -> None:
    bench: Bench = make_bench(fault=lambda request: OF_MEMORY if len(sent_files(request)) > 4 else None)
    folder_of_pngs(bench.input, 40)

    report = bench.run(max_batch_size=16, sick_deadline_s=60)

    assert (report.done, report.failed) == (40, 0)


def test_one_picture_that_the_server_has_no_memory_for_is_one_failure(make_bench: Callable[..., Bench]) -> None:
    large = png(1, (64, 64))
    bench: Bench = make_bench(fault=lambda request: OF_MEMORY if large in sent_files(request) else None)
    folder_of_pngs(bench.input, 20)
    bench.add("large.png", large)

    report = bench.run(max_batch_size=4, sick_deadline_s=60)

    assert (report.done, report.failed) == (20, 1)
    assert "OOM when allocating" in report.failures[0].reason


@pytest.mark.parametrize("batch_size", [1, 8])
def test_a_model_of_one_size_is_not_taken_for_a_wrong_one_because_of_the_first_picture(
    make_bench: Callable[..., Bench], batch_size: int
) -> None:
    bench: Bench = make_bench(transform=only_16_by_16)
    folder_of_pngs(bench.input, 30)
    bench.add("0.png", png(1, (20, 20)))

    report = bench.run(max_batch_size=batch_size, max_concurrency=1)

    assert (report.done, report.failed) == (30, 1)
    assert report.failures[0].kind == "refused"


def test_a_model_that_refuses_plain_pictures_is_asked_again_what_it_has_answered(
    make_bench: Callable[..., Bench],
) -> None:
    broken = png(77)
    internal = error_answer(500, "internal")
    bench: Bench = make_bench(
        transform=only_16_by_16, fault=lambda request: internal if broken in sent_files(request) else None
    )
    folder_of_pngs(bench.input, 30)
    bench.add("a.png", broken)

    report = bench.run(max_batch_size=1, sick_deadline_s=60)

    assert (report.done, report.failed) == (30, 1)
    assert "fails on this picture and answers others" in report.failures[0].reason


def test_a_model_that_fails_on_plain_pictures_is_asked_again_what_it_has_answered(
    make_bench: Callable[..., Bench],
) -> None:
    broken, plain = png(77), control_picture((64, 64))
    internal = error_answer(500, "internal")
    bench: Bench = make_bench(fault=lambda request: internal if {broken, plain} & set(sent_files(request)) else None)
    folder_of_pngs(bench.input, 30)
    bench.add("a.png", broken)

    report = bench.run(max_batch_size=1, sick_deadline_s=60)

    assert (report.done, report.failed) == (30, 1)
    assert "fails on this picture and answers others" in report.failures[0].reason


def test_a_page_in_the_place_of_a_server_that_starts_again_costs_no_picture(make_bench: Callable[..., Bench]) -> None:
    page = Answer(404, b"default backend - 404")
    bench: Bench = make_bench(fault=lambda _: page if 2 <= len(bench.model.batch_sizes) < 9 else None)
    folder_of_pngs(bench.input, 40)

    report = bench.run(max_batch_size=4)

    assert (report.done, report.failed) == (40, 0)


def test_the_time_before_the_first_trouble_does_not_count_against_the_server(make_bench: Callable[..., Bench]) -> None:
    late = dataclasses.replace(error_answer(503, "not now"), delay_s=0.5)
    asked: list[Request] = []

    def once(request: Request) -> Answer | None:
        asked.append(request)
        return late if len(asked) == 1 else None

    bench: Bench = make_bench(fault=once)
    folder_of_pngs(bench.input, 3)

    assert bench.run(max_concurrency=1, sick_deadline_s=0.3).done == 3
