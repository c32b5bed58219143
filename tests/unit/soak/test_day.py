"""A soak must not be able to end early and green."""

from __future__ import annotations

import threading

import pytest

from tests.soak.day import work_at_once


def test_what_one_work_stumbles_over_ends_the_day_at_once_and_is_raised() -> None:
    over = threading.Event()

    def stumble() -> None:
        raise FileNotFoundError("gone")

    with pytest.raises(FileNotFoundError, match="gone"):
        work_at_once([stumble, lambda: _until(over)], over, seconds=60)
    assert over.is_set()


def test_the_day_lasts_as_long_as_asked() -> None:
    over = threading.Event()
    work_at_once([lambda: _until(over), lambda: _until(over)], over, seconds=0.05)
    assert over.is_set()


def _until(over: threading.Event) -> None:
    assert over.wait(30)
