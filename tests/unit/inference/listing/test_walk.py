"""Finding files: order, globs, links, and names that cannot be trusted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tendies_ops.inference.listing.patterns import PathFilter
from tendies_ops.inference.listing.walk import find_files, output_stems


def paths(root: Path, *, leave_out: Path | None = None, **filters: object) -> list[str]:
    return [found.path for found in find_files(root, PathFilter(**filters), leave_out=leave_out)]  # type: ignore[arg-type]


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")


def test_files_come_folder_by_folder_in_byte_order(tmp_path: Path) -> None:
    touch(tmp_path, "b.png", "a/2.png", "a/10.png", "B.png", "ü.png", "a/c/x.png")
    assert paths(tmp_path) == ["B.png", "a/10.png", "a/2.png", "a/c/x.png", "b.png", "ü.png"]


def test_hidden_names_are_left_out_unless_wanted_and_the_state_folder_always(tmp_path: Path) -> None:
    touch(tmp_path, ".x.png", ".cache/y.png", "z.png", ".tendies/parts/p.png")
    assert paths(tmp_path) == ["z.png"]
    assert paths(tmp_path, include_hidden=True) == [".cache/y.png", ".x.png", "z.png"]


@pytest.mark.parametrize(
    ("include", "exclude", "expected"),
    [
        (["*.png"], [], ["a/b.png", "a/c/d.png", "e.png"]),
        (["a/*.png"], [], ["a/b.png"]),
        (["a/**/*.png"], [], ["a/b.png", "a/c/d.png"]),
        (["**/c/*"], [], ["a/c/d.png"]),
        ([], ["*.jpg"], ["a/b.png", "a/c/d.png", "e.png"]),
        ([], ["a"], ["e.png", "f.jpg"]),
        ([], ["a/c"], ["a/b.png", "e.png", "f.jpg"]),
        (["[e-f].*"], [], ["e.png", "f.jpg"]),
        (["[!e].*"], [], ["a/b.png", "a/c/d.png", "f.jpg"]),
        (["?.png"], ["e*"], ["a/b.png", "a/c/d.png"]),
        (["/e.png"], [], ["e.png"]),
    ],
)
def test_globs_choose(tmp_path: Path, include: list[str], exclude: list[str], expected: list[str]) -> None:
    touch(tmp_path, "a/b.png", "a/c/d.png", "e.png", "f.jpg")
    assert paths(tmp_path, include=include, exclude=exclude) == expected


def test_a_link_to_a_folder_is_followed_but_not_round_in_circles(tmp_path: Path) -> None:
    touch(tmp_path, "in/a.png", "elsewhere/b.png")
    (tmp_path / "in" / "loop").symlink_to(tmp_path / "in")
    (tmp_path / "in" / "there").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "back").symlink_to(tmp_path / "in")
    assert paths(tmp_path / "in") == ["a.png", "there/b.png"]


def test_a_dangling_link_is_yielded_with_its_problem(tmp_path: Path) -> None:
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere")
    (found,) = find_files(tmp_path, PathFilter())
    assert "No such file" in found.problem


def test_links_that_lead_nowhere_are_yielded_with_their_problems_and_the_rest_is_found(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "z/b.png")
    (tmp_path / "loop.png").symlink_to("loop.png")
    (tmp_path / "through.png").symlink_to(tmp_path / "a.png" / "x")
    found = {one.path: one.problem for one in find_files(tmp_path, PathFilter())}
    assert "Too many levels" in found.pop("loop.png")
    assert "Not a directory" in found.pop("through.png")
    assert found == {"a.png": "", "z/b.png": ""}
    assert paths(tmp_path, include=("z/*",)) == ["z/b.png"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_folder_is_yielded_with_its_problem(tmp_path: Path) -> None:
    touch(tmp_path, "open.png", "shut/a.png")
    (tmp_path / "shut").chmod(0)
    try:
        found = list(find_files(tmp_path, PathFilter()))
    finally:
        (tmp_path / "shut").chmod(0o755)
    assert [(f.path, bool(f.problem)) for f in found] == [("open.png", False), ("shut", True)]


def test_pipes_are_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    assert paths(tmp_path) == []


def test_the_output_below_the_input_is_left_out(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "out/a.png")
    assert paths(tmp_path, leave_out=tmp_path / "out") == ["a.png"]


def test_names_of_any_bytes_are_found(tmp_path: Path) -> None:
    (Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe.png"))).write_bytes(b"x")
    (found,) = find_files(tmp_path, PathFilter())
    assert os.fsencode(found.path) == b"\xff\xfe.png"


def test_every_output_stem_is_its_files_alone() -> None:
    names = ["a.jpg", "a.png", "b.png", "a.jpg.gif", "c", "c.png", "A.webp", "d.tar.png"]
    stems = output_stems(names)
    assert stems["b.png"] == "b"
    assert stems["d.tar.png"] == "d.tar"
    assert stems["a.jpg"] == "a.jpg"
    assert len({stem.casefold() for stem in stems.values()}) == len(names)
