"""The listing that is made ahead, samples of it, and the total that a run tells early."""

from __future__ import annotations

import itertools
import threading
import tracemalloc
from collections.abc import Iterator

import pytest

from tendies_ops.inference import BatchProgress, run_batch
from tendies_ops.inference.ledger.outcomes import Found
from tendies_ops.inference.listing.listing import Listing, spread_sample
from tests.support.batch_bench import Bench
from tests.support.canned_server import Request
from tests.support.sample_pictures import folder_of_pngs


def files(count: int) -> Iterator[Found]:
    for number in range(count):
        yield Found(f"folder/{number:07}.png", number, 10**18 + number, f"folder/{number:07}")


def taken(listing: Listing) -> list[Found]:
    return [found for found in listing if found is not None]


def test_every_file_comes_once_and_in_order() -> None:
    listing = Listing(files(10_000))
    assert taken(listing) == list(files(10_000))
    assert listing.total == 10_000


def test_names_that_are_not_utf8_and_problems_come_through() -> None:
    odd = Found("caf\udce9.png", 1, 2, "caf\udce9", "it cannot be read")
    assert taken(Listing([odd])) == [odd]


def test_what_is_there_comes_while_the_rest_is_still_being_listed() -> None:
    go_on = threading.Event()

    def slow() -> Iterator[Found]:
        yield from files(100)
        go_on.wait(5.0)
        yield from files(3)

    listing = Listing(slow())
    entries = iter(listing)
    first = list(itertools.islice((found for found in entries if found is not None), 10))
    assert len(first) == 10
    assert listing.total is None
    go_on.set()
    assert sum(found is not None for found in entries) == 93
    assert listing.total == 103


def test_an_error_reaches_who_reads_after_what_was_listed() -> None:
    def broken() -> Iterator[Found]:
        yield from files(5)
        raise OSError("the disk is gone")

    listing = Listing(broken())
    got: list[Found] = []
    with pytest.raises(OSError, match="gone"):
        got.extend(found for found in listing if found is not None)
    assert listing.total is None


def test_what_waits_is_small() -> None:
    tracemalloc.start()
    try:
        listing = Listing(files(20_000))
        while listing.total is None:
            threading.Event().wait(0.01)
        kept_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept_bytes < 40 * 20_000


def test_a_sample_is_spread_over_all() -> None:
    numbers = [found.size_bytes for found in spread_sample(files(1000), 10)]
    assert len(numbers) == 10
    gaps = [after - before for before, after in itertools.pairwise(numbers)]
    assert numbers[0] < 100
    assert numbers[-1] >= 800
    assert max(gaps) <= 1.5 * min(gaps)


@pytest.mark.parametrize(("there", "wanted", "given"), [(0, 5, 0), (3, 5, 3), (5, 5, 5), (7, 5, 5), (1000, 1, 1)])
def test_a_sample_is_never_larger_than_asked_for(there: int, wanted: int, given: int) -> None:
    assert len(spread_sample(files(there), wanted)) == given


def test_a_sampled_run_does_pictures_from_the_whole_folder_and_no_text_counts(bench: Bench) -> None:
    folder_of_pngs(bench.input, 40)
    for number in range(40):
        bench.add(f"{number:05}.txt", b"about it")
    report = bench.run(sample=4)
    assert (report.total, report.done, report.ignored) == (4, 4, 0)
    numbers = [int(name[:5]) for name in bench.outputs()]
    assert numbers[-1] >= 25
    assert bench.run(sample=4).skipped == 4


def test_the_total_is_reported_while_the_run_is_at_work(bench: Bench) -> None:
    folder_of_pngs(bench.input, 60)
    told: list[BatchProgress] = []
    may_answer = threading.Event()

    def hold(_: Request) -> None:
        may_answer.wait(5.0)

    def look(progress: BatchProgress) -> None:
        told.append(progress)
        if progress.total is not None:
            may_answer.set()

    bench.model.fault = hold
    run_batch(bench.options(max_batch_size=10), on_progress=look)
    early = next(progress for progress in told if progress.total is not None)
    assert (early.total, early.done, early.state) == (60, 0, "running")
    assert told[-1].state == "finished"
    assert all(progress.eta_s is not None for progress in told if progress.done and progress.total)
