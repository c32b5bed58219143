"""Archives of results: of any age and name, in pieces, and never whole when they are not."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from tendies_ops.web.ledger.ledger_index import LedgerChangedError, LedgerIndex
from tendies_ops.web.ledger.ledger_places import Query
from tendies_ops.web.run.batch_run import Run
from tendies_ops.web.run.downloads import begun, ledger_lines, safe_name, zip_of_results
from tendies_ops.web.run.find_runs import find_run
from tendies_ops.web.sources.known import Catalogues
from tendies_ops.web.sources.remote_files import ObjectStores, RemoteFiles
from tests.support.web_world import WebWorld, add_run, make_world

RUN = "20261122T030000Z-aaaaaa"


@pytest.fixture
def world(tmp_path: Path) -> WebWorld:
    world = make_world(tmp_path)
    add_run(world, RUN, done=3, failed=1)
    return world


def run_of(world: WebWorld) -> Run:
    model = Catalogues(world.specs_dir).read().get("brush")
    assert model is not None
    run = find_run(model, RUN)
    assert run is not None
    return run


def index_of(world: WebWorld) -> LedgerIndex:
    return LedgerIndex(world.ledger, world.root / "cache" / "index.sqlite")


def archive_parts(world: WebWorld) -> Iterator[bytes]:
    remote = RemoteFiles(world.root / "objects", ObjectStores())
    return zip_of_results(run_of(world), index_of(world), Query((RUN,)), remote)


def archive_of(world: WebWorld) -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(b"".join(archive_parts(world))))


@pytest.mark.parametrize("unix_s", [-(10**9), 0, 315_532_799, 4_354_819_199, 2**33, 2**40])
def test_a_result_of_any_age_is_in_the_archive(unix_s: int, world: WebWorld) -> None:
    results = sorted(world.output.rglob("*.png"))
    os.utime(results[1], (unix_s, unix_s))
    archive = archive_of(world)
    assert archive.testzip() is None
    assert [archive.read(name) for name in sorted(archive.namelist())] == [path.read_bytes() for path in results]


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("a/b.png", "a/b.png"),
        ("a\\..\\..\\b.png", "a_.._.._b.png"),
        ("C:\\x.png", "C__x.png"),
        ("C:/x.png", "C_/x.png"),
        ("//server/share/x.png", "server/share/x.png"),
        ("a/.. /b.png", "a/_/b.png"),
        ("a. /b.png.", "a/b.png"),
        ("line\nbreak\x00.png", "line_break_.png"),
        ("\u00e4\u4e2d.png", "\u00e4\u4e2d.png"),
        ("\udcff.png", "_.png"),
    ],
)
def test_names_in_an_archive_mean_a_file_below_it_on_every_system(name: str, safe: str) -> None:
    assert safe_name(name) == safe


def test_a_large_result_is_never_in_memory_as_a_whole(world: WebWorld) -> None:
    large = next(iter(sorted(world.output.rglob("*.png"))))
    os.truncate(large, 20 << 20)
    parts = list(archive_parts(world))
    assert sum(map(len, parts)) > 20 << 20
    assert max(map(len, parts)) < 1 << 20


def test_a_result_that_is_gone_is_left_out(world: WebWorld) -> None:
    first, *rest = sorted(world.output.rglob("*.png"))
    first.unlink()
    assert len(archive_of(world).namelist()) == len(rest) == 2


def test_a_ledger_that_is_replaced_while_it_is_downloaded_ends_the_download_as_a_failed_one(world: WebWorld) -> None:
    index = index_of(world)
    index.follow()
    lines = world.ledger.read_bytes().splitlines(keepends=True)
    world.ledger.write_bytes(b"x" * 100 + b"".join(lines[1:]))
    with pytest.raises(LedgerChangedError):
        list(index.raw_lines(Query((RUN,))))
    world.ledger.write_bytes(lines[0][:50])
    with pytest.raises(LedgerChangedError):
        list(index.raw_lines(Query((RUN,))))


def test_a_download_that_fails_at_once_fails_before_it_is_begun() -> None:
    with pytest.raises(OSError, match="No such file"):
        begun(Path("/nowhere").read_bytes() for _ in range(1))
    assert b"".join(begun(iter([b"a", b"b"]))) == b"ab"
    assert b"".join(begun(iter(()))) == b""


def test_a_ledger_is_downloaded_line_by_line(world: WebWorld) -> None:
    found = [orjson.loads(line) for line in ledger_lines(index_of(world), Query((RUN,)))]
    assert len(found) == 4
