"""A server that merges the requests of its clients: what one is refused for is told to all, and is no verdict."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tendies_ops.errors import WrongContractError
from tendies_ops.inference import BatchOptions, BatchReport, run_batch
from tests.support.batch_bench import Bench
from tests.support.canned_server import Answer, CannedServer, Request, error_answer, sent_files
from tests.support.merging_model import MergingModel, post_over_and_over
from tests.support.sample_pictures import inverted, png

GOOD, BAD = range(4), range(100, 104)
Words = Callable[[bytes], str]


def sized(seed: int) -> bytes:
    """A picture whose file has a size of its own."""
    return png(seed, (16 + seed % 50, 17))


def of_one_size(seed: int) -> bytes:
    """A picture whose file is as large as those of all others."""
    return png(seed)


def in_its_words(file: bytes) -> str:
    return f"Invalid PNG data, size {len(file)}\n\t [[{{{{node DecodePng}}}}]]"


def in_open_words(_: bytes) -> str:
    return "Invalid image"


@contextmanager
def merging_server(make: Callable[[int], bytes], words: Words, window_s: float = 0.01) -> Iterator[CannedServer]:
    bad = {make(seed) for seed in BAD}

    def refuses(file: bytes) -> str:
        known = any(file.startswith(one) and not file[len(one) :].strip(b"\0") for one in bad)
        return words(file) if known else ""

    with CannedServer(MergingModel(inverted, refuses, window_s=window_s)) as server:
        yield server


def run(folder: Path, url: str, make: Callable[[int], bytes]) -> BatchReport:
    pictures = folder / "in"
    pictures.mkdir(parents=True)
    for good, bad in zip(GOOD, BAD, strict=True):
        (pictures / f"{good:03}-good.png").write_bytes(make(good))
        (pictures / f"{good:03}-then-bad.png").write_bytes(make(bad))
    return run_batch(
        BatchOptions(
            input=str(pictures),
            output=str(folder / "out"),
            model_name="m",
            servers=(url,),
            max_batch_size=4,
            provenance=False,
        )
    )


@pytest.mark.parametrize("make", [sized, of_one_size])
@pytest.mark.parametrize("words", [in_its_words, in_open_words])
def test_three_runs_at_once_blame_the_bad_pictures_and_no_others(
    tmp_path: Path, make: Callable[[int], bytes], words: Words
) -> None:
    with merging_server(make, words) as server, ThreadPoolExecutor(3) as pool:
        reports = list(pool.map(lambda name: run(tmp_path / name, server.url, make), ["a", "b", "c"]))
    for report in reports:
        assert (report.done, report.failed) == (len(GOOD), len(BAD))
        assert all("bad" in failure.input for failure in report.failures)
        assert all(failure.kind == "refused" for failure in report.failures)


@pytest.mark.parametrize("words", [in_its_words, in_open_words])
def test_another_client_that_sends_rubbish_costs_no_picture(tmp_path: Path, words: Words) -> None:
    stop = threading.Event()
    with merging_server(sized, words) as server:
        others = [post_over_and_over(server.url, sized(BAD[0]), stop, pause_s) for pause_s in (0.03, 0.05)]
        report = run(tmp_path, server.url, sized)
        stop.set()
        for other in others:
            other.join()
    assert (report.done, report.failed) == (len(GOOD), len(BAD))


def test_what_the_run_blames_a_picture_for_is_reported_in_that_pictures_words(tmp_path: Path) -> None:
    with merging_server(sized, in_its_words) as server:
        run(tmp_path, server.url, sized)
    for line in (tmp_path / "out/.tendies/ledger.jsonl").read_text().splitlines():
        record = json.loads(line)
        if record["outcome"] == "failed":
            assert re.search(rf"size {record['size_bytes']}\b", record["reason"])


def test_a_plain_picture_that_is_refused_for_another_clients_does_not_stop_the_run(
    make_bench: Callable[..., Bench],
) -> None:
    """The first requests of a run, and the plain picture, are refused as text about someone else's file."""
    bench: Bench = make_bench(
        fault=lambda _: error_answer(400, "Invalid PNG data, size 7") if len(bench.model.batch_sizes) < 12 else None
    )
    for seed in range(3):
        bench.add(f"{seed}.png", png(seed))
    report = bench.run()
    assert (report.done, report.failed) == (3, 0)


def test_a_model_that_refuses_every_picture_is_reported_after_some_tries(make_bench: Callable[..., Bench]) -> None:
    bench: Bench = make_bench(fault=lambda _: error_answer(400, "input size does not match signature: 1!=2"))
    bench.add("a.png", png(1))
    with pytest.raises(WrongContractError, match="refuses even a plain picture"):
        bench.run()
    assert 7 < len(bench.model.batch_sizes) < 16


def test_an_access_that_is_denied_once_stops_nothing(make_bench: Callable[..., Bench]) -> None:
    bench: Bench = make_bench(
        fault=lambda _: error_answer(403, "try later") if len(bench.model.batch_sizes) == 1 else None
    )
    bench.add("a.png", png(1))
    assert bench.run().done == 1


def test_a_folder_of_broken_pictures_goes_through_with_two_requests_a_picture_or_so(
    make_bench: Callable[..., Bench],
) -> None:
    good, alone = {png(0)}, []

    def refuse(request: Request) -> Answer | None:
        files = sent_files(request)
        if len(files) == 1:
            alone.append(files[0])
        wrong = [file for file in files if file not in good and len(file) > 600]
        return error_answer(400, in_its_words(wrong[0])) if wrong else None

    bench = make_bench(fault=refuse)
    for seed in range(200):
        bench.add(f"{seed:03}.png", png(seed))
    report = bench.run(max_batch_size=1, max_failed=1000)
    assert (report.done, report.failed) == (1, 199)
    assert len(alone) <= 2 * 200 + 20
