"""What makes it a style: things that neither a colour filter nor a blur can do are asked of the trained network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tendies_ops.spec import load_spec
from tests.support.examples import EXAMPLES, load_example

measure = load_example("brush_strokes/measure.py")
model = load_example("brush_strokes/model.py")

SPEC = load_spec(EXAMPLES / "models" / "brush_strokes.yaml")


@pytest.fixture(scope="module")
def network() -> Any:
    import keras

    path = SPEC.source.checkpoint
    return keras.saving.load_model(path, compile=False, custom_objects=model.custom_layers())


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    import skimage

    path = Path(skimage.__file__).parent / "data" / "motorcycle_right.png"  # not among those it was trained on
    return np.asarray(Image.open(path).convert("RGB").resize((320, 212), Image.Resampling.LANCZOS)) / 255.0


def run(network: Any, picture: np.ndarray) -> np.ndarray:
    painted: np.ndarray = np.clip(np.asarray(network(picture[None].astype(np.float32)))[0], 0.0, 1.0)
    return painted


@pytest.mark.parametrize("shape", [(4, 4), (64, 64), (96, 132), (260, 300)])
def test_any_size_that_is_a_multiple_of_4_is_taken(network: Any, shape: tuple[int, int]) -> None:
    assert run(network, np.full((*shape, 3), 0.4)).shape == (*shape, 3)


def test_it_paints_as_the_painter_does_on_a_photograph_that_it_never_saw(network: Any, photo: np.ndarray) -> None:
    measured = measure.measure_pair(photo, run(network, photo))
    assert measured["difference_to_painter"] < 0.04
    assert measured["likeness_to_painter"] > 0.9


def test_no_colour_filter_explains_it(network: Any, photo: np.ndarray) -> None:
    assert measure.left_over_by_colour_filters(photo, run(network, photo)) > 0.05


def test_a_colour_filter_is_explained_by_itself(photo: np.ndarray) -> None:
    sepia = np.clip(photo @ np.array([[0.4, 0.35, 0.27], [0.77, 0.69, 0.53], [0.19, 0.17, 0.13]]) * 0.7, 0.0, 1.0)
    assert measure.left_over_by_colour_filters(photo, sepia) < 0.005


def test_an_empty_sky_gets_strokes_so_it_is_no_blur(network: Any) -> None:
    sky = np.full((128, 128, 3), (0.35, 0.5, 0.75))
    assert measure.detail(run(network, sky))[16:-16, 16:-16].std() > 0.02


@pytest.mark.parametrize("upright", [True, False])
def test_strokes_turn_with_the_picture(network: Any, upright: bool) -> None:
    grey = 0.5 + 0.25 * np.sign(np.sin(2 * np.pi * np.arange(128) / 42))[None, :].repeat(128, axis=0)
    picture = np.repeat((grey if upright else grey.T)[..., None], 3, axis=2)
    between_edges = np.abs(np.sin(2 * np.pi * np.arange(128) / 42)) > 0.5
    strokes = measure.detail(run(network, picture))
    strokes = strokes if upright else strokes.T
    along, across = np.diff(strokes, axis=0)[:, between_edges], np.diff(strokes, axis=1)[:, between_edges[1:]]
    assert np.abs(across).mean() > 1.3 * np.abs(along).mean()


def test_doubling_is_bilinear_as_keras_does_it() -> None:
    import keras

    features = np.random.default_rng(3).normal(size=(2, 5, 7, 3)).astype(np.float32)
    wanted = keras.layers.UpSampling2D(2, interpolation="bilinear")(features)
    assert np.asarray(model.BilinearDoubling()(features)) == pytest.approx(np.asarray(wanted), abs=1e-6)
