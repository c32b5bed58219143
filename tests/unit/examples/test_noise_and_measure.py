from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.examples import load_example

make_noise = load_example("noise_to_stripes/make_noise.py")
measure = load_example("noise_to_stripes/measure.py")


def stripes(period_px: float, *, upright: bool = True) -> np.ndarray:
    wave = np.sin(2 * np.pi * np.arange(64) / period_px + 0.3)
    picture = np.tile(wave, (64, 1))
    return picture if upright else picture.T


def test_the_same_seed_makes_the_same_noise_files(tmp_path: Path) -> None:
    first = make_noise.write_noise_pictures(tmp_path / "a", 3, seed=5)
    second = make_noise.write_noise_pictures(tmp_path / "b", 3, seed=5)
    other = make_noise.write_noise_pictures(tmp_path / "c", 3, seed=6)

    assert [p.name for p in first] == ["noise_000.png", "noise_001.png", "noise_002.png"]
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in second]
    assert first[0].read_bytes() != other[0].read_bytes()


def test_noise_pictures_are_grey_gaussian_noise_of_64_by_64(tmp_path: Path) -> None:
    (path,) = make_noise.write_noise_pictures(tmp_path, 1, seed=5)
    pixels = np.asarray(Image.open(path)).astype(float)

    assert pixels.shape == (64, 64, 3)
    assert (pixels[..., 0] == pixels[..., 2]).all()
    assert pixels.mean() == pytest.approx(127.5, abs=3)
    assert pixels.std() == pytest.approx(0.3 * 127.5, abs=2)


def test_all_energy_of_the_right_stripes_is_in_the_band() -> None:
    assert measure.band_energy(stripes(8)) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("wrong", [stripes(5), stripes(16), stripes(8, upright=False)])
def test_stripes_of_another_period_or_direction_are_not_in_the_band(wrong: np.ndarray) -> None:
    assert measure.band_energy(wrong) < 0.01


def test_white_noise_has_next_to_nothing_in_the_band() -> None:
    noise = np.random.default_rng(1).normal(size=(64, 64))
    assert measure.band_energy(noise) < 0.02


def test_an_even_picture_has_no_energy_and_does_not_divide_by_zero() -> None:
    assert measure.band_energy(np.full((64, 64, 3), 7)) == 0.0


def test_an_empty_folder_is_said_to_be_empty(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no PNG file"):
        measure.measure_folder(tmp_path)
