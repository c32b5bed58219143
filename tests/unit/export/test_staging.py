"""What an export leaves when it is killed, and what the next one makes of it."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from tendies_ops.errors import ExportError
from tendies_ops.export.staging import clear_leftovers, put_in_place, staging_next_to


def write(folder: Path, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "saved_model.pb").write_text(text)
    return folder


def test_what_a_killed_export_was_writing_is_removed_and_what_another_one_is_writing_is_not(tmp_path: Path) -> None:
    dead = write(tmp_path / ".model.0123.part", "half")
    other = write(tmp_path / ".models.0123.part", "somebody else's")
    with staging_next_to(tmp_path / "model") as alive:
        clear_leftovers(tmp_path / "model")
        assert alive.is_dir()
        assert not dead.exists()
    assert not alive.exists()
    assert other.exists()


def test_the_export_before_comes_back_if_the_kill_fell_between_the_renames(tmp_path: Path) -> None:
    write(tmp_path / ".model.0123.part", "new")
    write(tmp_path / ".model.0123.old", "before")
    clear_leftovers(tmp_path / "model")
    assert (tmp_path / "model" / "saved_model.pb").read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_what_a_killed_export_of_a_longer_name_moved_aside_stays_where_it_is(tmp_path: Path) -> None:
    write(tmp_path / ".model.v2.0123.part", "new")
    write(tmp_path / ".model.v2.0123.old", "before")
    clear_leftovers(tmp_path / "model")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".model.v2.0123.old", ".model.v2.0123.part"]
    clear_leftovers(tmp_path / "model.v2")
    assert [path.name for path in tmp_path.iterdir()] == ["model.v2"]


@pytest.mark.parametrize("name", ["m" * 255, "日" * 85], ids=["ascii", "other"])
def test_a_name_may_be_as_long_as_the_file_system_allows(tmp_path: Path, name: str) -> None:
    with staging_next_to(tmp_path / name) as staging:
        write(staging, "new")
        put_in_place(staging, tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def export_again_and_again(output: Path, times: int) -> None:
    for _ in range(times):
        with staging_next_to(output) as staging:
            write(staging, "whole")
            put_in_place(staging, output)


def test_exports_to_one_place_at_the_same_time_all_succeed_and_leave_one(tmp_path: Path) -> None:
    with ProcessPoolExecutor(4, mp_context=multiprocessing.get_context("spawn")) as workers:
        for done in [workers.submit(export_again_and_again, tmp_path / "model", 40) for _ in range(4)]:
            done.result()
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert (tmp_path / "model" / "saved_model.pb").read_text() == "whole"


def test_the_export_before_goes_once_the_new_one_is_there(tmp_path: Path) -> None:
    write(tmp_path / ".model.0123.old", "before")
    write(tmp_path / "model", "new")
    clear_leftovers(tmp_path / "model")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_rename_that_fails_leaves_the_export_before(tmp_path: Path) -> None:
    write(tmp_path / "model", "before")
    with pytest.raises(ExportError, match="cannot be moved"):
        put_in_place(tmp_path / ".model.0123.part", tmp_path / "model")
    assert (tmp_path / "model" / "saved_model.pb").read_text() == "before"
