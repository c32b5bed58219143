from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from examples.demo.outcome import find_missing


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    directory = tmp_path / "pictures"
    (directory / "nested").mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(directory / "a.jpg")
    Image.new("RGB", (8, 8)).save(directory / "nested" / "b.png")
    return directory


@pytest.fixture
def results(tmp_path: Path) -> Path:
    directory = tmp_path / "results"
    (directory / "nested").mkdir(parents=True)
    return directory


def test_a_result_may_have_another_ending_than_its_picture(pictures: Path, results: Path) -> None:
    Image.new("RGB", (8, 8)).save(results / "a.png")
    Image.new("RGB", (8, 8)).save(results / "nested" / "b.png")
    assert find_missing(pictures, results) == ()


def test_an_absent_result_is_missing(pictures: Path, results: Path) -> None:
    Image.new("RGB", (8, 8)).save(results / "a.png")
    assert find_missing(pictures, results) == ("nested/b.png",)


def test_a_result_cut_short_is_missing(pictures: Path, results: Path) -> None:
    Image.new("RGB", (8, 8)).save(results / "a.png")
    Image.effect_noise((64, 64), 50).save(results / "nested" / "b.png")
    whole = (results / "nested" / "b.png").read_bytes()
    (results / "nested" / "b.png").write_bytes(whole[: len(whole) // 2])
    assert find_missing(pictures, results) == ("nested/b.png",)
