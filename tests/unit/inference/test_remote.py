"""fsspec URLs as input and output, on the memory file system."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from tendies_ops.errors import InputFolderError, UsageError
from tests.support.batch_bench import Bench
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


@pytest.mark.usefixtures("bucket")
def test_shards_need_a_folder(bench: Bench, tmp_path: Path) -> None:
    folder_of_pngs(tmp_path / "p", 1)
    with pytest.raises(UsageError, match="needs an output folder"):
        bench.run(input=str(tmp_path / "p"), output="memory://out", shard=(0, 2))
