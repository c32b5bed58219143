"""Files that a run ignores: unfinished ones, side files, and the litter of phones, desktops and NAS systems."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tendies_ops.inference.listing.other_files import has_other_extension, is_unfinished
from tests.support.batch_bench import Bench
from tests.support.sample_pictures import inverted, png


@pytest.mark.parametrize(
    "name",
    ["a.jpg.part", "b.jpg.crdownload", "c.FILEPART", "d.tmp", "a.jpg~", "~$e.png", "f.png.swp", "deep/g.partial"],
)
def test_names_of_unfinished_files(name: str) -> None:
    assert is_unfinished(name)
    assert has_other_extension(name)


@pytest.mark.parametrize("name", ["a.jpg", "part.png", "tmp/a.png", "crdownload", "a~b.png"])
def test_names_of_finished_files(name: str) -> None:
    assert not is_unfinished(name)


def test_an_unfinished_file_is_ignored_until_it_has_its_name(bench: Bench) -> None:
    bench.add("a.png", png(1))
    bench.add("b.png.part", png(2))
    first = bench.run()
    assert (first.done, first.failed, first.ignored) == (1, 0, 1)
    (bench.input / "b.png.part").rename(bench.input / "b.png")
    assert bench.run().done == 1


def test_a_file_that_grows_during_a_run_is_left_for_the_next_run(make_bench: Callable[..., Bench]) -> None:
    whole = png(7)

    def grow_then_invert(picture: bytes) -> bytes:
        growing.write_bytes(whole)
        return inverted(picture)

    bench = make_bench(transform=grow_then_invert)
    for number in range(40):
        bench.add(f"{number:02d}.png", png(number))
    growing = bench.add("99.png", whole[: len(whole) // 2])
    first = bench.run(max_batch_size=1)
    assert (first.done, first.failed) == (40, 1)
    record = bench.newest_records()["99.png"]
    assert (record["kind"], "still being written" in record["reason"]) == ("unreadable", True)
    assert bench.run().done == 1


@pytest.mark.parametrize("folder", ["@eaDir", "#recycle", "#snapshot", "$RECYCLE.BIN", "lost+found", "__MACOSX"])
def test_folders_of_thumbnails_and_deleted_pictures_are_not_entered(bench: Bench, folder: str) -> None:
    bench.add("a.png", png(1))
    bench.add(f"{folder}/a.png/thumbnail.png", png(2))
    assert bench.run().total == 1


def test_a_side_file_of_a_phone_is_ignored(bench: Bench) -> None:
    bench.add("a.png", png(1))
    bench.add("a.AAE", b'<?xml version="1.0"?><plist/>')
    report = bench.run()
    assert (report.done, report.ignored) == (1, 1)


def test_a_link_to_a_parent_of_the_input_is_not_followed(bench: Bench) -> None:
    bench.add("a.png", png(1))
    (bench.input.parent / "outside.png").write_bytes(png(2))
    (bench.input / "up").symlink_to(bench.input.parent, target_is_directory=True)
    (bench.input / "far").symlink_to(Path("/"), target_is_directory=True)
    assert bench.run().total == 1
