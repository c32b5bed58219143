from __future__ import annotations

from pathlib import Path

import pytest

from tendies_ops.dev.error import DevError
from tendies_ops.dev.folder_lock import only_one
from tendies_ops.dev.voice import Voice


def test_a_second_start_in_the_same_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tendies_ops.dev.folder_lock._PATIENCE_S", 0.02)
    monkeypatch.setattr("tendies_ops.dev.folder_lock._LOOK_EVERY_S", 0.01)
    with (
        only_one(tmp_path / "lock", Voice()),
        pytest.raises(DevError, match="runs this folder already"),
        only_one(tmp_path / "lock", Voice()),
    ):
        pytest.fail("both ran")


def test_the_lock_is_free_again_afterwards(tmp_path: Path) -> None:
    for _ in range(2):
        with only_one(tmp_path / "lock", Voice()):
            pass
