"""Finding the checkpoint that is meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from tendies_ops.errors import CheckpointError
from tendies_ops.export.sources.checkpoint_files import (
    checkpoint_files,
    digest_of_files,
    resolve_checkpoint,
    step_of,
)


def write(prefix: Path, *, shards: int = 1, data: bytes = b"x") -> Path:
    prefix.parent.mkdir(parents=True, exist_ok=True)
    Path(f"{prefix}.index").write_bytes(data)
    for number in range(shards):
        Path(f"{prefix}.data-{number:05d}-of-{shards:05d}").write_bytes(data + bytes([number]))
    return prefix


@pytest.mark.parametrize("name", ["", "model.ckpt-5", "model.ckpt-5.index", "model.ckpt-5.data-00001-of-00002"])
def test_the_directory_the_prefix_and_each_file_mean_the_same(tmp_path: Path, name: str) -> None:
    prefix = write(tmp_path / "model.ckpt-5", shards=2)
    assert resolve_checkpoint(tmp_path / name) == prefix


def test_the_state_file_decides_and_not_the_highest_step(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        write(tmp_path / f"model.ckpt-{step}")
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "model.ckpt-2"\nall_model_checkpoint_paths: "x"\n')
    assert resolve_checkpoint(tmp_path).name == "model.ckpt-2"


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("modèle-2", "modèle-2"),
        ("日本-2", "日本-2"),
        ("modèle-2", r"mod\303\250le-2"),  # as other writers of text protocol buffers have it
        ('a "b"-2', r"a \"b\"-2"),
    ],
)
def test_a_name_in_any_language_is_found(tmp_path: Path, name: str, written: str) -> None:
    write(tmp_path / name)
    (tmp_path / "checkpoint").write_text(f'model_checkpoint_path: "{written}"\n')
    assert resolve_checkpoint(tmp_path).name == name


def test_a_state_file_may_name_a_checkpoint_in_a_folder_below(tmp_path: Path) -> None:
    write(tmp_path / "run" / "model.ckpt-2")
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "run/model.ckpt-2"\n')
    assert resolve_checkpoint(tmp_path) == tmp_path / "run" / "model.ckpt-2"


def test_a_moved_directory_is_read_where_it_is(tmp_path: Path) -> None:
    write(tmp_path / "new" / "model.ckpt-2")
    write(tmp_path / "old" / "model.ckpt-2", data=b"other weights")
    (tmp_path / "new" / "checkpoint").write_text(f'model_checkpoint_path: "{tmp_path}/old/model.ckpt-2"\n')
    assert resolve_checkpoint(tmp_path / "new").parent == tmp_path / "new"


def test_without_a_state_file_steps_are_compared_as_numbers(tmp_path: Path) -> None:
    for step in (9, 10, 100, 20):
        write(tmp_path / f"model.ckpt-{step}")
    assert step_of(resolve_checkpoint(tmp_path)) == 100


def test_a_single_file_of_the_old_format_is_a_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "wave.ckpt").write_bytes(b"old")
    assert resolve_checkpoint(tmp_path) == tmp_path / "wave.ckpt"
    assert checkpoint_files(tmp_path / "wave.ckpt") == [tmp_path / "wave.ckpt"]


def test_names_with_brackets_are_no_patterns(tmp_path: Path) -> None:
    prefix = write(tmp_path / "model[1]*")
    assert resolve_checkpoint(prefix) == prefix
    assert len(checkpoint_files(prefix)) == 2


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    write(tmp_path / "m", shards=3)
    (tmp_path / "m.data-00001-of-00003").unlink()
    with pytest.raises(CheckpointError, match=r"m\.data-00001-of-00003 is missing"):
        resolve_checkpoint(tmp_path / "m")


def test_an_empty_directory_says_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(CheckpointError, match=r"holds no checkpoint.*notes\.txt"):
        resolve_checkpoint(tmp_path)


def test_the_same_weights_under_another_name_have_the_same_digest(tmp_path: Path) -> None:
    first, second = write(tmp_path / "a" / "m-1"), write(tmp_path / "b" / "n-2")
    other = write(tmp_path / "c" / "m-1", data=b"y")
    digests = [digest_of_files(checkpoint_files(prefix)) for prefix in (first, second, other)]
    assert digests[0] == digests[1] != digests[2]


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="gone"):
        digest_of_files([tmp_path / "gone"])
