"""The example of five styles, exported and called with nothing but TensorFlow: styles apart, strength from 0 to 1."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tendies_ops.export import export_model
from tendies_ops.spec import load_spec
from tests.support.examples import EXAMPLES, load_example

SPEC = load_spec(EXAMPLES / "models" / "five_styles.yaml")
STYLES = list(SPEC.contract.extra_inputs["style"].choices)
teachers = load_example("five_styles/teachers.py")

Paint = Callable[[int, float], NDArray[Any]]


@pytest.fixture(scope="module")
def photograph() -> NDArray[Any]:
    """Not one of those that the network was trained on: the right half of a stereo pair."""
    import skimage

    with Image.open(Path(skimage.__file__).parent / "data" / "motorcycle_right.png") as image:
        return np.asarray(image.convert("RGB").resize((320, 216)))


@pytest.fixture(scope="module")
def paint(photograph: NDArray[Any], tmp_path_factory: pytest.TempPathFactory) -> Paint:
    import tensorflow as tf

    directory = tmp_path_factory.mktemp("exported") / "five_styles"
    export_model(SPEC, directory)
    loaded = tf.saved_model.load(str(directory))
    buffer = io.BytesIO()
    Image.fromarray(photograph).save(buffer, "PNG")

    def call(style: int, strength: float) -> NDArray[Any]:
        files = tf.constant([buffer.getvalue()])
        inputs = {"style": tf.constant([style]), "strength": tf.constant([strength])}
        answer = loaded.signatures["serving_default"](input_bytes=files, **inputs)["output_bytes"].numpy()[0]
        with Image.open(io.BytesIO(answer)) as image:
            return np.asarray(image).astype(float)

    return call


@pytest.mark.parametrize("style", range(len(STYLES)), ids=STYLES)
def test_a_style_is_what_its_teacher_paints(style: int, paint: Paint, photograph: NDArray[Any]) -> None:
    taught = teachers.TEACHERS[STYLES[style]](photograph / 255.0) * 255.0
    painted = paint(style, 1.0)
    inner = (slice(12, -12), slice(12, -12))

    difference = np.abs(painted[inner] - taught[inner]).mean()
    assert difference < 0.5 * np.abs(photograph[inner] - taught[inner]).mean()
    assert difference < 30


def test_any_two_styles_are_plainly_different(paint: Paint) -> None:
    painted = [paint(style, 1.0) for style in range(len(STYLES))]
    for number, one in enumerate(painted):
        assert all(np.abs(one - other).mean() > 30 for other in painted[:number])


def test_strength_leads_from_the_photograph_to_the_style(paint: Paint, photograph: NDArray[Any]) -> None:
    untouched, half, whole = (paint(0, strength) for strength in (0.0, 0.5, 1.0))

    assert np.abs(untouched - photograph).max() <= 1
    assert np.abs(half - (photograph + whole) / 2).mean() < 12, "what the whole style clips, half of it need not"


def test_the_committed_specs_name_the_styles_in_the_order_of_training() -> None:
    sys.modules.pop("model", None)
    assert load_example("five_styles/model.py").STYLES == tuple(STYLES) == tuple(teachers.TEACHERS)
