"""Models that make one tensor of a request: its pictures must have one size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tendies_ops.errors import RequestRefusedError
from tendies_ops.inference.ledger.outcomes import Found
from tendies_ops.inference.picture.picture import Part, Picture
from tendies_ops.inference.requests.failures import NEW, after_refusal
from tendies_ops.inference.requests.packer import Packer, Request
from tests.support.batch_bench import Bench
from tests.support.canned_server import Answer, error_answer, sent_files
from tests.support.canned_server import Request as HttpRequest
from tests.support.sample_pictures import decoded, png

SIZES = [(16, 16), (24, 16), (16, 24), (20, 20)]
UNEQUAL = "Shapes of all inputs must match: values[0].shape = [16,16,3] != values[1].shape = [24,16,3]"


def part(size: tuple[int, int]) -> Part:
    return Part(Picture(Found("a.png", 1, 1, "a"), 1, "", lambda answers: answers[0], [None], 1), 0, b"x", size)


def stacks(request: HttpRequest) -> Answer | None:
    """What a graph that stacks pictures says of unequal ones."""
    sizes = {decoded(file).size for file in sent_files(request)}
    return error_answer(400, UNEQUAL) if len(sizes) > 1 else None


@pytest.fixture
def mixed(bench: Bench) -> Bench:
    """Pictures of four sizes, in turn."""
    for number in range(64):
        bench.add(f"{number:03}.png", png(number, SIZES[number % 4]))
    return bench


def test_parts_of_one_size_travel_together_and_few_sizes_wait_at_once() -> None:
    packer = Packer(4, 1 << 20, 100.0, by_size=True)
    full = packer.add([part((10, 10 + number % 3)) for number in range(12)])
    assert [len(request.parts) for request in full] == [4, 4, 4]
    assert all(request.of_one_size for request in full)
    many = packer.add([part((10, width)) for width in range(1, 101)])
    assert len(many) == 100 - 32
    assert len(packer.flush()) == 32


def test_words_about_shapes_part_the_sizes_and_other_words_halve() -> None:
    request = Request([part((1, 1)), part((2, 2)), part((1, 1))])
    error = RequestRefusedError("no", http_status=400, server_words=UNEQUAL)
    assert not request.of_one_size
    assert after_refusal(NEW, error, file=None, of_one_size=False)[0].action == "split_by_size"
    assert after_refusal(NEW, error, file=None, of_one_size=True)[0].action == "split"
    other = RequestRefusedError("no", http_status=400, server_words="Invalid image")
    assert after_refusal(NEW, other, file=None, of_one_size=False)[0].action == "split"


def test_a_model_that_stacks_pictures_is_learned_once_and_for_the_next_run(mixed: Bench) -> None:
    mixed.model.fault = stacks
    report = mixed.run(max_batch_size=16, max_concurrency=1)
    assert (report.done, report.failed) == (64, 0)
    assert report.retries <= 2
    refused_first = list(mixed.model.batch_sizes)
    mixed.model.batch_sizes.clear()
    again = mixed.run(max_batch_size=16, max_concurrency=1, output_quality=94)
    assert (again.done, again.retries) == (64, 0)
    assert mixed.model.batch_sizes == [16, 16, 16, 16]
    assert len(refused_first) > 4


def test_a_signature_that_answers_numbers_as_large_as_the_picture_is_packed_by_size(
    make_bench: Callable[..., Bench],
) -> None:
    def depth(data: bytes) -> Any:
        return np.asarray(decoded(data).convert("L")).tolist()

    bench = make_bench(transform=depth, outputs={"output": [-1, -1, -1]}, fault=stacks)
    for number in range(64):
        bench.add(f"{number:03}.png", png(number, SIZES[number % 4]))
    report = bench.run(max_batch_size=16)
    assert (report.done, report.retries) == (64, 0)
    assert "scores" not in report.paths


def test_buckets_that_fill_the_memory_are_sent_as_they_are(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(outputs=None)
    bench.model.fault = stacks
    for number in range(20):
        bench.add(f"{number:03}.png", png(number, (100 + number, 100)))
    (bench.output / ".tendies").mkdir(parents=True)
    learned = '{"m/1": {"concurrency": 1, "seconds_per_megapixel": 0.1, "images_per_second": 9, "same_size": true}}'
    (bench.output / ".tendies" / "learned.json").write_text(learned)
    report = bench.run(max_mib_in_flight=0.5)
    assert (report.done, report.retries) == (20, 0)
