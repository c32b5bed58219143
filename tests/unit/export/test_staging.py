"""What an export leaves when it is killed, and what the next one makes of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tendies_ops.errors import ExportError
from tendies_ops.export.staging import clear_leftovers, put_in_place, staging_beside


def write(folder: Path, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "saved_model.pb").write_text(text)
    return folder


def test_what_a_killed_export_was_writing_is_removed_and_what_another_one_is_writing_is_not(tmp_path: Path) -> None:
    dead = write(tmp_path / ".model.0123.part", "half")
    other = write(tmp_path / ".models.0123.part", "somebody else's")
    with staging_beside(tmp_path / "model") as alive:
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
