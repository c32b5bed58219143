from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from tests.support.examples import EXAMPLES, load_example

painter = load_example("brush_strokes/painter.py")
style_picture = load_example("brush_strokes/style_picture.py")


def edge(*, upright: bool) -> np.ndarray:
    grey = np.zeros((64, 64))
    grey[:, 32:] = 0.8
    grey = grey if upright else grey.T
    return np.repeat(grey[..., None], 3, axis=2)


@pytest.mark.parametrize("upright", [True, False])
def test_strokes_run_along_the_edge(upright: bool) -> None:
    dy, dx = painter.stroke_field(edge(upright=upright), painter.Brush())
    along = dy if upright else dx
    assert abs(along[32, 32]) > 0.98


def test_an_empty_sky_has_strokes() -> None:
    sky = np.full((96, 96, 3), 0.5)
    painted = painter.paint(sky, painter.Brush())
    assert painted.std() > 0.05


def test_painting_is_the_same_every_time_and_stays_in_range() -> None:
    photo = np.random.default_rng(0).random((48, 56, 3))
    first, second = (painter.paint(photo, painter.Brush()) for _ in range(2))
    assert first.shape == photo.shape
    assert (first == second).all()
    assert first.min() >= 0.0
    assert first.max() <= 1.0


def test_colours_are_pulled_towards_the_nearest_of_the_palette() -> None:
    palette = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    reddish = np.array([[[0.8, 0.1, 0.2]]])
    assert painter.pull_to_palette(reddish, palette, 1.0) == pytest.approx(palette[:1][None], abs=1e-6)
    assert painter.pull_to_palette(reddish, palette, 0.0) == pytest.approx(reddish)


def test_the_committed_style_picture_is_what_the_script_draws() -> None:
    committed = np.asarray(Image.open(EXAMPLES / "brush_strokes" / "style.png").convert("RGB")).astype(int)
    drawn = style_picture.draw_style_picture(committed.shape[0]).astype(int)
    # Another build of numpy may round a stroke's path to the next pixel here and there.
    assert np.abs(committed - drawn).mean() < 1.0
