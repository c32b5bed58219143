from __future__ import annotations

from pathlib import Path

import pytest

from examples.demo.errors import DemoError
from examples.demo.lock import only_demo
from examples.demo.voice import Voice


def test_a_second_demo_of_the_same_checkout_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("examples.demo.lock._PATIENCE_S", 0.02)
    monkeypatch.setattr("examples.demo.lock._LOOK_EVERY_S", 0.01)
    with (
        only_demo(tmp_path / "lock", Voice()),
        pytest.raises(DemoError, match="Another demo is running in this checkout"),
        only_demo(tmp_path / "lock", Voice()),
    ):
        pytest.fail("both ran")


def test_the_lock_is_free_again_afterwards(tmp_path: Path) -> None:
    for _ in range(2):
        with only_demo(tmp_path / "lock", Voice()):
            pass
