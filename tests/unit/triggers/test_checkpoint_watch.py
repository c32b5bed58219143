from __future__ import annotations

import os
import zipfile
from pathlib import Path

import fsspec
import pytest

from tendies_ops.triggers.checkpoint_watch import CheckpointWatch, FoundCheckpoint, Watermark, find_checkpoints


def write_checkpoint(directory: Path, step: int, *, shards: int = 1, mtime_s: int | None = None) -> str:
    prefix = directory / f"model.ckpt-{step}"
    names = [f"{prefix}.data-{index:05d}-of-{shards:05d}" for index in range(shards)] + [f"{prefix}.index"]
    for name in names:
        Path(name).write_bytes(b"weights")
        if mtime_s is not None:
            os.utime(name, (mtime_s, mtime_s))
    return str(prefix)


def test_steps_are_numbers_so_nine_comes_before_ten(tmp_path: Path) -> None:
    for step in (10, 9, 100):
        write_checkpoint(tmp_path, step)

    assert [found.step for found in find_checkpoints(tmp_path)] == [9, 10, 100]


def test_a_checkpoint_is_its_prefix(tmp_path: Path) -> None:
    prefix = write_checkpoint(tmp_path, 7)

    assert find_checkpoints(tmp_path)[0].path == prefix


def test_a_checkpoint_without_its_index_or_with_a_shard_missing_is_not_there(tmp_path: Path) -> None:
    Path(write_checkpoint(tmp_path, 1) + ".index").unlink()
    Path(write_checkpoint(tmp_path, 2, shards=3) + ".data-00001-of-00003").unlink()
    Path(write_checkpoint(tmp_path, 3) + ".index").write_bytes(b"")

    assert find_checkpoints(tmp_path) == []


def test_a_keras_file_counts_once_its_table_of_contents_is_written(tmp_path: Path) -> None:
    whole = tmp_path / "style-12.keras"
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr("config.json", "{}")
    (tmp_path / "style-13.keras").write_bytes(whole.read_bytes()[:-30])

    assert [(found.step, found.path) for found in find_checkpoints(tmp_path)] == [(12, str(whole))]


def test_other_files_are_no_checkpoints(tmp_path: Path) -> None:
    for name in ("checkpoint", "events.out.tfevents.123", "model.ckpt-5.meta", "graph.pbtxt", "notes-1.txt"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "model.ckpt-6.index").mkdir()

    assert find_checkpoints(tmp_path) == []


def test_a_directory_that_cannot_be_listed_is_an_error_and_not_an_empty_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        find_checkpoints(tmp_path / "absent")


def found(step: int, *, mtime_ns: int | None = None, size_bytes: int = 10) -> FoundCheckpoint:
    return FoundCheckpoint(f"/c/model.ckpt-{step}", step, size_bytes, mtime_ns or step * 1000)


def settle(watch: CheckpointWatch, *listing: FoundCheckpoint) -> FoundCheckpoint | None:
    """List twice, as a directory at rest looks, and announce what is news."""
    first = watch.on_listing(listing)
    news = first or watch.on_listing(listing)
    if news:
        watch.announced(news)
    return news


def test_a_checkpoint_is_announced_once_two_listings_agree() -> None:
    watch = CheckpointWatch(Watermark(1, 1000, "/c/model.ckpt-1"))

    assert watch.on_listing([found(2, size_bytes=5)]) is None
    assert watch.on_listing([found(2, size_bytes=9)]) is None
    assert watch.on_listing([found(2, size_bytes=9)]) == found(2, size_bytes=9)


def test_what_was_announced_is_not_announced_again_by_the_next_process() -> None:
    watch = CheckpointWatch(Watermark(1, 1000, "/c/model.ckpt-1"))
    assert settle(watch, found(1), found(2)) == found(2)
    assert watch.watermark is not None

    restarted = CheckpointWatch(Watermark.from_json(watch.watermark.to_json()))

    assert settle(restarted, found(1), found(2)) is None
    assert settle(restarted, found(2), found(3)) == found(3)


def test_of_a_storm_only_the_newest_is_announced() -> None:
    watch = CheckpointWatch(Watermark(1, 1000, "/c/model.ckpt-1"))

    assert settle(watch, *[found(step) for step in range(2, 30)]) == found(29)
    assert settle(watch, *[found(step) for step in range(2, 30)]) is None


def test_the_backlog_of_the_very_first_start_is_known_already() -> None:
    watch = CheckpointWatch(None)

    assert settle(watch, found(1), found(2)) is None
    assert settle(watch, found(1), found(2), found(3)) == found(3)


def test_the_backlog_is_announced_when_told() -> None:
    assert settle(CheckpointWatch(None, replay_backlog=True), found(1), found(2)) == found(2)


def test_a_checkpoint_that_comes_while_no_one_watches_an_empty_directory_is_announced_later() -> None:
    first = CheckpointWatch(None)
    assert settle(first) is None
    assert first.watermark is not None

    restarted = CheckpointWatch(Watermark.from_json(first.watermark.to_json()))

    assert settle(restarted, found(1)) == found(1)


def test_deleting_the_newest_does_not_bring_an_older_one_back() -> None:
    watch = CheckpointWatch(None)
    settle(watch, found(1), found(2))

    assert settle(watch, found(1)) is None


def test_a_training_that_began_again_is_news() -> None:
    watch = CheckpointWatch(Watermark(500, 500_000, "/c/model.ckpt-500"))

    assert settle(watch, found(3, mtime_ns=900_000)) == found(3, mtime_ns=900_000)


@pytest.mark.parametrize("value", [None, {}, [], "7", {"step": "x", "mtime_ns": 1, "path": ""}])
def test_something_else_in_the_state_store_is_no_watermark(value: object) -> None:
    assert Watermark.from_json(value) is None


def test_checkpoints_in_a_store_have_urls() -> None:
    files = fsspec.filesystem("memory")
    for name in ("model.ckpt-7.index", "model.ckpt-7.data-00000-of-00001", "style-9.keras", "notes.txt"):
        files.pipe_file(f"/watched/{name}", b"weights")

    found = find_checkpoints("memory://watched/")

    assert [(one.path, one.step, one.size_bytes) for one in found] == [
        ("memory://watched/model.ckpt-7", 7, 14),
        ("memory://watched/style-9.keras", 9, 7),
    ]
    assert all(one.mtime_ns > 0 for one in found)
