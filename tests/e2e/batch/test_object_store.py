"""Pictures in an S3 bucket, on moto's server: slow, throttled, failing; complete all the same, and many at a time."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import s3fs

from tendies_ops.errors import InputFolderError, OutputFolderError
from tendies_ops.files.object_store import ObjectStore
from tendies_ops.inference import BatchOptions, BatchReport, run_batch
from tendies_ops.inference.storage import bucket_lease as remote_lease
from tests.support.canned_server import CannedModel, CannedServer
from tests.support.s3_server import AT_ONCE, PASSING, S3, s3_server
from tests.support.sample_pictures import inverted, png

_KINDS_OF_PICTURE = 20
LATENCY_S = 0.05
FAILING = 0.02


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    with s3_server() as server:
        yield server


@pytest.fixture
def bucket(s3: S3, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """A bucket of the test's own; s3fs finds the server by the environment, as a user's would."""
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    s3.behave(latency_s=0.0, failing=0.0)
    name = f"bucket-{abs(hash(request.node.name)) % 10**8}"
    s3fs.S3FileSystem().mkdir(name)
    return name


@pytest.fixture
def model() -> Iterator[tuple[CannedModel, str]]:
    answers = {png(seed): inverted(png(seed)) for seed in range(_KINDS_OF_PICTURE)}
    model = CannedModel(answers.__getitem__)
    with CannedServer(model) as server:
        yield model, server.url


def put_pictures(bucket: str, count: int) -> None:
    store = ObjectStore(f"s3://{bucket}/in")
    list(store.map(lambda number: store.write(_name(number), png(number % _KINDS_OF_PICTURE)), range(count)))


def _name(number: int) -> str:
    return f"{number // 250:02}/{number:04}.png"


def run(bucket: str, url: str, **options: Any) -> BatchReport:
    given = {"provenance": False, "timeout_s": 20.0, **options}
    source, target = f"s3://{bucket}/in", f"s3://{bucket}/out"
    return run_batch(BatchOptions(input=source, output=target, model_name="m", servers=(url,), **given))


def one_at_a_time_s(bucket: str, url: str, count: int) -> float:
    """How long the simplest program takes for a picture: get, ask, put."""
    from tendies_ops.client import ModelServerClient

    files = s3fs.S3FileSystem()
    files.ls(f"{bucket}/in/00", detail=True)
    started_s = time.monotonic()
    with ModelServerClient(url) as client:
        for number in range(count):
            [answer] = client.predict_files("m", [files.cat_file(f"{bucket}/in/{_name(number)}")])
            files.pipe_file(f"{bucket}/one-at-a-time/{number}.png", answer)
    return (time.monotonic() - started_s) / count


@pytest.mark.timeout(300)
@pytest.mark.parametrize("pictures", [200, pytest.param(1000, marks=pytest.mark.slow)])
def test_pictures_through_a_slow_and_failing_store(
    pictures: int, s3: S3, bucket: str, model: tuple[CannedModel, str]
) -> None:
    canned, url = model
    put_pictures(bucket, pictures)
    s3.behave(latency_s=LATENCY_S, failing=FAILING)
    alone_s = one_at_a_time_s(bucket, url, 20)
    canned.predicted.clear()
    before = s3.counts()
    started_s = time.monotonic()
    report = run(bucket, url)
    took_s = time.monotonic() - started_s
    at_once = s3.counts()[AT_ONCE]
    counts = Counter(s3.counts()) - Counter(before)
    s3.behave(latency_s=0.0, failing=0.0)

    times_faster = alone_s * pictures / took_s
    print(f"{took_s:.1f} s, {times_faster:.1f} times as fast as one at a time ({alone_s:.3f} s each); {counts}")
    assert (report.done, report.failed) == (pictures, 0)
    failures = sum(counts[kind] for kind in PASSING)
    assert failures >= pictures // 100
    # One to get a picture, one to put its result, and a few: the listing, the lease, the ledger, the contact sheet.
    assert counts["HEAD"] == 0
    assert counts["GET"] + counts["PUT"] - failures <= 2 * pictures + 100
    assert len(canned.predicted) == pictures, "something was predicted twice"
    files = s3fs.S3FileSystem()
    written = files.find(f"{bucket}/out")
    outputs = [name for name in written if "/.tendies/" not in name]
    assert len(outputs) == pictures
    contents = files.cat(outputs)
    for number in range(pictures):
        assert contents[f"{bucket}/out/{_name(number)}"] == inverted(png(number % _KINDS_OF_PICTURE))
    records = [json.loads(line) for name in written if "/ledger/" in name for line in files.cat_file(name).splitlines()]
    assert set(Counter(record["input"] for record in records if record).values()) == {1}
    assert at_once >= 32, "how much faster that is, bench/cluster_object_store.py measures"
    assert run(bucket, url).skipped == pictures


def test_of_two_runs_over_one_bucket_at_once_one_does_it_all(
    s3: S3, bucket: str, model: tuple[CannedModel, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_lease, "_BEAT_EVERY_S", 0.3)
    monkeypatch.setattr(remote_lease, "_LOOK_EVERY_S", 0.2)
    put_pictures(bucket, 24)
    s3.behave(latency_s=LATENCY_S, failing=0.0)
    model[0].fault = lambda _: time.sleep(0.4)  # long enough that both meet
    with ThreadPoolExecutor(2) as pool:
        started = [pool.submit(run, bucket, model[1], max_batch_size=4, max_concurrency=1) for _ in range(2)]
        errors = [one.exception() for one in started]
    assert sorted(type(error).__name__ for error in errors) == ["LockHeldError", "NoneType"]
    assert len(model[0].predicted) == 24
    assert run(bucket, model[1]).skipped == 24


def test_a_store_that_fails_for_good_ends_the_run_and_keeps_what_is_done(
    s3: S3, bucket: str, model: tuple[CannedModel, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    put_pictures(bucket, 4)
    assert run(bucket, model[1]).done == 4
    put_pictures(bucket, 8)
    s3.refuse_writing()
    with pytest.raises(OutputFolderError, match="cannot be written"):
        run(bucket, model[1])
    s3.behave(latency_s=0.0, failing=0.0)
    report = run(bucket, model[1])
    assert (report.done, report.skipped) == (4, 4)


def test_an_empty_prefix_may_be_allowed_but_a_mistyped_bucket_is_reported(
    bucket: str, model: tuple[CannedModel, str]
) -> None:
    def run(input_: str, *, allow_empty: bool) -> BatchReport:
        return run_batch(
            BatchOptions(
                input=input_, output=f"s3://{bucket}/out", model_name="m", servers=(model[1],), allow_empty=allow_empty
            )
        )

    assert run(f"s3://{bucket}/today", allow_empty=True).total == 0
    for mistyped in (f"s3://{bucket}x/today", f"s3://{bucket}x"):
        with pytest.raises(InputFolderError, match=mistyped):
            run(mistyped, allow_empty=True)
    with pytest.raises(InputFolderError, match="today"):
        run(f"s3://{bucket}/today", allow_empty=False)
