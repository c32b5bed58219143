"""fsspec URLs as input and output, on the memory file system."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator

import fsspec
import pytest

from tendies_ops.errors import InputFolderError, LockHeldError, UsageError
from tendies_ops.files.object_store import ObjectStore
from tendies_ops.inference.ledger.segments import LedgerSegments
from tendies_ops.inference.several_runs.sharded_run import finish_shards, plan_shards
from tendies_ops.inference.storage import bucket_lease as remote_lease
from tendies_ops.inference.storage.bucket_lease import RemoteLease
from tests.support.batch_bench import Bench
from tests.support.canned_server import Request
from tests.support.sample_pictures import folder_of_pngs, inverted, png


@pytest.fixture
def bucket() -> Iterator[fsspec.AbstractFileSystem]:
    files = fsspec.filesystem("memory")
    yield files
    files.store.clear()
    files.pseudo_dirs[:] = [""]


def test_from_bucket_to_bucket_and_only_new_ones_the_second_time(
    bench: Bench, bucket: fsspec.AbstractFileSystem
) -> None:
    for name in ("a.png", "deep/er/b.png", "deep/.hidden.png"):
        bucket.pipe_file(f"/in/{name}", png(len(name)))
    urls = {"input": "memory://in", "output": "memory://out"}
    report = bench.run(**urls)
    assert (report.total, report.done) == (2, 2)
    assert bucket.cat_file("/out/deep/er/b.png") == inverted(png(len("deep/er/b.png")))
    assert json.loads(bucket.cat_file(report.paths["report"].removeprefix("memory:/")))["done"] == 2
    bucket.pipe_file("/in/c.png", png(99))
    report = bench.run(**urls)
    assert (report.total, report.done, report.skipped) == (3, 1, 2)
    assert len(bucket.ls("/out/.tendies/ledger")) == 2


def test_from_a_folder_to_a_bucket(bench: Bench, bucket: fsspec.AbstractFileSystem) -> None:
    folder_of_pngs(bench.input, 5)
    assert bench.run(output="memory://results/today").done == 5
    assert bucket.cat_file("/results/today/00003.png") == inverted(png(3))


def test_a_file_url_is_a_folder(bench: Bench) -> None:
    folder_of_pngs(bench.input, 3)
    assert bench.run(input=f"file://{bench.input}", output=f"file://{bench.output}").done == 3
    assert len(bench.outputs()) == 3
    with pytest.raises(UsageError, match="overwrite"):
        bench.run(input=f"file://{bench.input}", output=str(bench.input))


def test_an_output_below_the_input_is_left_out(bench: Bench, bucket: fsspec.AbstractFileSystem) -> None:
    bucket.pipe_file("/in/a.png", png(1))
    urls = {"input": "memory://in", "output": "memory://in/out"}
    assert bench.run(**urls).total == 1
    assert bench.run(**urls).total == 1


@pytest.mark.usefixtures("bucket")
def test_a_place_that_is_not_there_is_said_plainly(bench: Bench) -> None:
    with pytest.raises(InputFolderError, match="memory://nowhere"):
        bench.run(input="memory://nowhere")
    with pytest.raises(UsageError, match="nosuch"):
        bench.run(input="nosuch://x")


def test_shards_into_a_bucket_have_segments_of_their_own_and_one_report(
    bench: Bench, bucket: fsspec.AbstractFileSystem
) -> None:
    for number in range(12):
        bucket.pipe_file(f"/in/{number:02}.png", png(number))
    bucket.pipe_file("/in/broken.png", png(1)[:40])
    urls = {"input": "memory://in", "output": "memory://out"}
    plan = plan_shards(bench.options(**urls), max_shards=3, pictures_per_shard=5)
    runs = [bench.run(**urls, shard=(index, plan.shards), run_id=f"s{index}") for index in range(plan.shards)]
    report = finish_shards(bench.options(**urls, run_id="whole"), plan, [run.summary() for run in runs])
    assert (plan.shards, report.done, report.failed) == (3, 12, 1)
    assert [failure.input for failure in report.failures] == ["broken.png"]
    assert report.paths["ledger"] == "memory://out/.tendies/ledger"
    again = bench.run(**urls)
    assert (again.done, again.skipped, again.failed) == (0, 12, 1)


def test_many_segments_are_put_together_and_none_is_lost(bench: Bench, bucket: fsspec.AbstractFileSystem) -> None:
    bucket.pipe_file("/in/a.png", png(1))
    urls = {"input": "memory://in", "output": "memory://out"}
    bench.run(**urls)
    segments = LedgerSegments(ObjectStore("memory://out"), "earlier")
    for number in range(40):
        lines = [{"input": f"{number}.png", "outcome": outcome} for outcome in ("failed", "done")]
        segments.add("".join(json.dumps(line) + "\n" for line in lines).encode())
    segments.add(b'{"input": "torn by a full dis\n')
    assert bench.run(**urls).skipped == 1
    [name] = bucket.ls("/out/.tendies/ledger", detail=False)
    lines = [json.loads(line) for line in bucket.cat_file(name).splitlines()]
    assert [line["input"] for line in lines] == ["a.png", *(f"{number}.png" for number in range(40))]
    assert {line["outcome"] for line in lines} == {"done"}


def test_a_folder_and_a_file_named_as_the_folder_around_them_are_found(
    bench: Bench, bucket: fsspec.AbstractFileSystem
) -> None:
    for name in ("x/x/a.png", "y/y"):
        bucket.pipe_file(f"/in/{name}", png(len(name)))
    assert bench.run(input="memory://in", output="memory://out").done == 2
    assert bench.run(input="memory://in", output="memory://out").skipped == 2


@pytest.fixture
def quick_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("_BEAT_EVERY_S", 0.02), ("_LEFT_AFTER_S", 0.2), ("_LOOK_EVERY_S", 0.03)):
        monkeypatch.setattr(remote_lease, name, seconds)


@pytest.mark.usefixtures("quick_leases")
def test_a_second_run_at_once_is_kept_out_and_nothing_is_done_twice(
    bench: Bench, bucket: fsspec.AbstractFileSystem
) -> None:
    for number in range(30):
        bucket.pipe_file(f"/in/{number:02}.png", png(number))
    urls = {"input": "memory://in", "output": "memory://out"}
    refused: list[Exception] = []

    first = threading.Lock()

    def second(_: Request) -> None:
        if first.acquire(blocking=False):
            with pytest.raises(LockHeldError, match="Batch run first on ") as caught:
                bench.run(**urls, run_id="second")
            refused.append(caught.value)

    bench.model.fault = second  # it never returns another answer
    assert bench.run(**urls, run_id="first").done == 30
    assert len(refused) == 1
    assert len(bench.model.predicted) == 30
    assert bucket.ls("/out/.tendies/leases") == []
    assert bench.run(**urls).skipped == 30


@pytest.mark.usefixtures("quick_leases")
def test_the_lease_of_a_killed_run_is_taken_away_after_a_while(
    bench: Bench, bucket: fsspec.AbstractFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_lease, "_LEFT_AFTER_S", 0.05)
    bucket.pipe_file("/in/a.png", png(1))
    bucket.pipe_file("/out/.tendies/leases/run.json", b'{"holder": "killed", "host": "h", "token": "t", "beat": 7}')
    bucket.pipe_file("/out/.tendies/leases/shard-3.json", b"torn")
    assert bench.run(input="memory://in", output="memory://out").done == 1
    assert bucket.ls("/out/.tendies/leases") == []


@pytest.mark.usefixtures("quick_leases")
def test_a_run_whose_lease_another_has_taken_ends(bench: Bench, bucket: fsspec.AbstractFileSystem) -> None:
    for number in range(8):
        bucket.pipe_file(f"/in/{number:02}.png", png(number))
    other = b'{"holder": "other", "host": "elsewhere", "token": "o", "beat": 1}'

    def taken(_: Request) -> None:
        bucket.pipe_file("/out/.tendies/leases/run.json", other)
        time.sleep(0.1)

    bench.model.fault = taken
    with pytest.raises(LockHeldError, match="Batch run other on elsewhere"):
        bench.run(input="memory://in", output="memory://out", max_batch_size=1, max_concurrency=1)
    assert bucket.cat_file("/out/.tendies/leases/run.json") == other


@pytest.mark.usefixtures("quick_leases")
def test_shards_run_next_to_each_other_but_not_next_to_a_whole_run(bucket: fsspec.AbstractFileSystem) -> None:
    store = ObjectStore("memory://out")
    with RemoteLease(store, "s0", (0, 2)).held(), RemoteLease(store, "s1", (1, 2)).held():
        for refused in (RemoteLease(store, "whole"), RemoteLease(store, "again", (1, 2))):
            with pytest.raises(LockHeldError, match="Batch run s"), refused.held():
                pass
    with RemoteLease(store, "whole").held(), pytest.raises(LockHeldError), RemoteLease(store, "s0", (0, 2)).held():
        pass
    assert bucket.ls("/out/.tendies/leases") == []


def test_a_result_that_another_run_has_written_over_is_made_again(
    bench: Bench, bucket: fsspec.AbstractFileSystem
) -> None:
    bucket.pipe_file("/in/a.png", png(1))
    urls = {"input": "memory://in", "output": "memory://out"}
    bench.run(**urls)
    bucket.pipe_file("/out/a.png", inverted(png(1)) + b"of a run that was killed")
    assert bench.run(**urls).done == 1
    assert bucket.cat_file("/out/a.png") == inverted(png(1))


def test_segments_sort_after_those_that_a_machine_with_a_fast_clock_wrote(
    bench: Bench, bucket: fsspec.AbstractFileSystem
) -> None:
    urls = {"input": "memory://in", "output": "memory://out"}
    bucket.pipe_file("/in/a.png", b"broken")
    bench.run(**urls)
    [now] = bucket.ls("/out/.tendies/ledger", detail=False)
    bucket.mv(now, "/out/.tendies/ledger/20990101T000000.000000Z-fast-000000.jsonl")
    bucket.pipe_file("/in/a.png", png(1))
    assert bench.run(**urls).done == 1
    assert bench.run(**urls).skipped == 1


@pytest.mark.usefixtures("bucket")
def test_an_empty_folder_of_a_store_is_nothing_to_do_where_that_is_allowed(bench: Bench) -> None:
    urls = {"input": "memory://in/today", "output": "memory://out"}
    assert bench.run(**urls, allow_empty=True).total == 0
    with pytest.raises(InputFolderError, match="memory://in/today"):
        bench.run(**urls)


def test_a_name_that_is_too_long_for_the_store_costs_one_picture(
    bench: Bench, bucket: fsspec.AbstractFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.add("a.png", png(1))
    bench.add("/".join(["long" * 60] * 6) + "/b.png", png(2))
    write = type(bucket).pipe_file

    def refuse_long(files: fsspec.AbstractFileSystem, path: str, *given: object, **more: object) -> object:
        if len(path) > 1030:
            raise OSError(22, "KeyTooLongError: Your key is too long")
        return write(files, path, *given, **more)

    monkeypatch.setattr(type(bucket), "pipe_file", refuse_long)
    report = bench.run(output="memory://out")
    assert (report.done, report.failed) == (1, 1)
    assert "its name is too long for the store" in report.failures[0].reason
