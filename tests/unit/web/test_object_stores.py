"""Runs whose output is in an object store, and what pages fetch of them."""

from __future__ import annotations

import dataclasses
import io
import threading
import uuid
import zipfile
from pathlib import Path
from typing import Any

import fsspec
import pytest

from tendies_ops.files.object_store import ObjectStore
from tendies_ops.inference.ledger.segments import LedgerSegments
from tendies_ops.web.ledger.ledger_index import LedgerIndexes
from tendies_ops.web.ledger.ledger_places import Query
from tendies_ops.web.run.batch_run import Run
from tendies_ops.web.run.downloads import zip_of_results
from tendies_ops.web.run.find_runs import find_run, list_runs
from tendies_ops.web.run.run_pictures import find_pictures, picture_path
from tendies_ops.web.safety import BusyError, OutsideError
from tendies_ops.web.sources.known import Catalogues, KnownModel
from tendies_ops.web.sources.mirrors import Mirrors
from tendies_ops.web.sources.remote_files import ObjectStores, RemoteFiles
from tests.support.specs import write_specs
from tests.support.web_world import WebWorld, add_run, make_world

RUN = "20261122T030000Z-aaaaaa"


class Bucket:
    """A world whose results and pictures were put into ``memory://``."""

    def __init__(self, root: Path) -> None:
        self.url = f"memory://{uuid.uuid4().hex}"
        self.local: WebWorld = make_world(root)
        self.store = ObjectStore(f"{self.url}/results")
        stores = ObjectStores()
        self.remote = RemoteFiles(root / "cache" / "objects", stores)
        self.mirrors = Mirrors(root / "cache" / "mirrors", stores)
        write_specs(
            root / "specs", {"model_name": "brush", "batch": {"input": self.input, "output": f"{self.url}/results"}}
        )
        self.catalogues = Catalogues(root / "specs", mirror_of=self.mirrors.of)

    @property
    def input(self) -> str:
        return f"{self.url}/pictures"

    def add_run(self, run_id: str, *, done: int = 3, failed: int = 1, age_h: float = 0) -> None:
        directory = add_run(self.local, run_id, done=done, failed=failed, age_h=age_h)
        report = (directory / "report.json").read_bytes().replace(str(self.local.input).encode(), self.input.encode())
        self.store.write(f".tendies/runs/{run_id}/report.json", report)
        LedgerSegments(self.store, run_id).add(self.local.ledger.read_bytes())
        self.local.ledger.unlink()
        for folder, url in ((self.local.input, self.input), (self.local.output, f"{self.url}/results")):
            for path in folder.rglob("*.*g"):
                ObjectStore(url).write(path.relative_to(folder).as_posix(), path.read_bytes())

    @property
    def model(self) -> KnownModel:
        model = self.catalogues.read().get("brush")
        assert model is not None
        return model

    def run(self, run_id: str = RUN) -> Run:
        run = find_run(self.model, run_id)
        assert run is not None
        return run

    def look_again(self) -> None:
        self.mirrors.of(f"{self.url}/results").look()


@pytest.fixture
def bucket(tmp_path: Path) -> Bucket:
    return Bucket(tmp_path)


def test_a_run_in_an_object_store_shows_its_counts_and_every_picture(bucket: Bucket, tmp_path: Path) -> None:
    bucket.add_run(RUN)

    run = bucket.run()
    index = LedgerIndexes(tmp_path / "ledgers").of(run.ledger)
    index.follow()

    assert (run.done, run.failed, run.state) == (3, 1, "some failed")
    page = index.page(Query(run.ledger_ids), offset=0, limit=10)
    assert page.total == 4
    line = page.lines[0]
    after = picture_path(run, line, "after", bucket.remote)
    assert after.read_bytes() == (bucket.local.output / line.record["output"]).read_bytes()
    before = picture_path(run, line, "before", bucket.remote)
    assert before.read_bytes() == (bucket.local.input / line.record["input"]).read_bytes()
    archive = b"".join(zip_of_results(run, index, Query(run.ledger_ids), bucket.remote))
    assert zipfile.ZipFile(io.BytesIO(archive)).namelist() == [found.record["output"] for found in page.lines[:3]]
    hits = find_pictures([bucket.model], LedgerIndexes(tmp_path / "ledgers"), "walk-000001")
    assert [hit.line.record["run_id"] for hit in hits] == [RUN]


def test_what_comes_later_is_seen_and_nothing_is_read_twice(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.add_run(RUN, age_h=24)
    index = LedgerIndexes(tmp_path / "ledgers").of(bucket.run().ledger)
    index.follow()
    read: list[str] = []
    read_really = ObjectStore.read

    def note_and_read(store: ObjectStore, path: str) -> bytes:
        read.append(path)
        return read_really(store, path)

    monkeypatch.setattr(ObjectStore, "read", note_and_read)

    bucket.add_run("20261123T030000Z-bbbbbb", done=2, failed=0)
    bucket.look_again()

    assert list_runs([bucket.model]).runs[0].run_id == "20261123T030000Z-bbbbbb"
    index.follow()
    assert index.page(Query(("20261123T030000Z-bbbbbb",)), offset=0, limit=9).total == 2
    assert len(read) == 2, "one report and one segment of the ledger"
    bucket.look_again()
    assert len(read) == 2


def test_a_ledger_that_was_put_together_is_taken_again(bucket: Bucket, tmp_path: Path) -> None:
    for number in range(33):
        LedgerSegments(bucket.store, RUN).add(
            b'{"run_id":"%s","input":"%d.png","outcome":"done"}\n' % (RUN.encode(), number)
        )
    bucket.store.write(f".tendies/runs/{RUN}/report.json", b'{"started_at": "2026-11-22T03:00:00+00:00", "done": 33}')
    run = bucket.run()
    index = LedgerIndexes(tmp_path / "ledgers").of(run.ledger)
    index.follow()
    assert index.page(Query((RUN,)), offset=0, limit=1).total == 33

    LedgerSegments(bucket.store, "next").fetch(tmp_path / "copy", compact=True)
    bucket.look_again()
    index.follow()

    assert index.page(Query((RUN,)), offset=0, limit=1).total == 33


@pytest.mark.parametrize("name", ["../secret.png", "/secret.png", "a/../../secret.png", "", "a\0b"])
def test_nothing_next_to_the_url_is_fetched(bucket: Bucket, name: str) -> None:
    ObjectStore(bucket.url).write("secret.png", b"secret")

    with pytest.raises(OutsideError):
        bucket.remote.fetch(f"{bucket.url}/results", name, "sha256:0")


def test_an_object_that_takes_too_long_is_busy_now_and_there_later(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ObjectStore(f"{bucket.url}/results").write("slow.png", b"picture")
    goes_on, ended = threading.Event(), threading.Event()
    memory = fsspec.get_filesystem_class("memory")
    read_really = memory.cat_file

    def hang(*given: Any, **options: Any) -> bytes:
        goes_on.wait(60)
        data: bytes = read_really(*given, **options)
        ended.set()
        return data

    monkeypatch.setattr(memory, "cat_file", hang)
    remote = RemoteFiles(tmp_path / "copies", ObjectStores(), limit_s=0.1)
    wanted = (f"{bucket.url}/results", "slow.png", "sha256:0")

    with pytest.raises(BusyError):
        remote.fetch(*wanted)
    goes_on.set()
    assert ended.wait(60)

    patient = RemoteFiles(tmp_path / "copies", ObjectStores())
    assert patient.fetch(*wanted).read_bytes() == b"picture"


def test_copies_that_hang_keep_their_places_and_no_caller(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    goes_on = threading.Event()
    monkeypatch.setattr(fsspec.get_filesystem_class("memory"), "info", lambda *_, **__: goes_on.wait(60) and {})
    monkeypatch.setattr("tendies_ops.web.sources.remote_files._PATIENCE_S", 0.1)
    remote = RemoteFiles(tmp_path / "copies", ObjectStores(), limit_s=0.1)
    began = threading.active_count()
    try:
        for number in range(10):
            with pytest.raises(BusyError):
                remote.fetch(f"{bucket.url}/results", f"{number}.png", "sha256:0")
        assert threading.active_count() - began <= 3
    finally:
        goes_on.set()


def test_a_store_that_is_away_shows_what_was_seen_before(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket.add_run(RUN)
    assert bucket.run().done == 3

    def away(*_: object, **__: object) -> None:
        raise PermissionError("the token has expired")

    monkeypatch.setattr(fsspec.get_filesystem_class("memory"), "ls", away)
    bucket.look_again()

    assert bucket.run().done == 3


@pytest.mark.parametrize("told", ["memory://elsewhere", "/etc", "file:///etc"])
def test_a_report_in_a_bucket_does_not_choose_where_pictures_are_read(bucket: Bucket, told: str) -> None:
    bucket.add_run(RUN)
    run = bucket.run()
    elsewhere = dataclasses.replace(run, facts={**run.facts, "input": told})

    assert (run.input_url, run.input) == (bucket.input, None)
    assert (elsewhere.input_url, elsewhere.input) == (None, None)


def test_a_segment_that_was_torn_costs_no_line_of_the_next(bucket: Bucket, tmp_path: Path) -> None:
    for lines in (b'{"run_id":"%s","inp', b'{"run_id":"%s","input":"a.png","outcome":"done"}\n'):
        LedgerSegments(bucket.store, RUN).add(lines % RUN.encode())
    bucket.store.write(f".tendies/runs/{RUN}/report.json", b'{"started_at": "2026-11-22T03:00:00+00:00", "done": 1}')
    index = LedgerIndexes(tmp_path / "ledgers").of(bucket.run().ledger)
    index.follow()
    assert index.page(Query((RUN,)), offset=0, limit=1).total == 1


@pytest.mark.parametrize(
    "report",
    [
        b"[]",
        b"{}",
        b"not JSON",
        b'{"started_at": 5}',
        b'{"started_at": "9999-12-31T23:59:59", "elapsed_s": 1e300}',
        b'{"started_at": "0001-01-01T00:00:00+14:00", "elapsed_s": -1e17}',
    ],
)
def test_a_report_that_makes_no_sense_hides_no_other_run_in_the_bucket(bucket: Bucket, report: bytes) -> None:
    bucket.store.write(".tendies/runs/zzz/report.json", report)
    bucket.add_run(RUN)

    found = list_runs([bucket.model])

    assert RUN in {run.run_id for run in found.runs}
    assert all(run.started_at for run in found.runs)
