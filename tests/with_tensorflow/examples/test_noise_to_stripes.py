from __future__ import annotations

import numpy as np
import pytest

from tendies_ops.spec import load_spec
from tests.support.examples import EXAMPLES, load_example

make_noise = load_example("noise_to_stripes/make_noise.py")
measure = load_example("noise_to_stripes/measure.py")
model = load_example("noise_to_stripes/model.py")

SPEC = load_spec(EXAMPLES / "models" / "noise_to_stripes.yaml")
LAYERS = ("c7s1_32", "d64", "d128", "u64", "u32")


def checkpoint_prefix() -> str:
    import tensorflow as tf

    prefix: str | None = tf.train.latest_checkpoint(str(SPEC.source.checkpoint))
    assert prefix is not None
    return prefix


@pytest.fixture(scope="module")
def noise() -> np.ndarray:
    pixels: np.ndarray = make_noise.gaussian_noise(np.random.default_rng(99), 32)
    return pixels


@pytest.fixture(scope="module")
def made_stripes(noise: np.ndarray) -> np.ndarray:
    import tensorflow as tf

    tf1 = tf.compat.v1
    with tf1.Graph().as_default(), tf1.Session() as session:
        image = tf1.placeholder(tf.float32, (1, 64, 64, 3))
        output = model.generator(image, **SPEC.source.builder_arguments)
        tf1.train.Saver().restore(session, checkpoint_prefix())
        return np.concatenate([session.run(output, {image: one[None]}) for one in noise])


def test_the_variables_have_the_names_of_cyclegan_tensorflow() -> None:
    import tensorflow as tf

    names = {name for name, _ in tf.train.list_variables(checkpoint_prefix())}
    expected = {f"G/{layer}/weights" for layer in (*LAYERS, "output")}
    expected |= {f"G/R128_1/layer{n}/weights{n}" for n in (1, 2)}
    normed = (*LAYERS, "R128_1/layer1", "R128_1/layer2")
    expected |= {f"G/{layer}/instance_norm/{part}" for layer in normed for part in ("scale", "offset")}
    assert names == expected


def test_noise_becomes_stripes(noise: np.ndarray, made_stripes: np.ndarray) -> None:
    before = [measure.band_energy(picture) for picture in noise]
    after = [measure.band_energy(make_noise.to_pixels(picture)) for picture in made_stripes]
    assert max(before) < 0.03
    assert np.mean(after) > 0.85
    assert min(after) > 0.6


def test_the_stripes_have_a_sinusoids_contrast_and_no_colour(made_stripes: np.ndarray) -> None:
    grey = made_stripes.mean(axis=3)
    assert np.abs(made_stripes - grey[..., None]).mean() < 0.05
    assert 0.4 < grey.std() < 0.8


def test_every_noise_gives_its_own_stripes(made_stripes: np.ndarray) -> None:
    flat = made_stripes.mean(axis=3).reshape(len(made_stripes), -1)
    likeness = np.corrcoef(flat) - np.eye(len(flat))
    assert np.abs(likeness).mean() < 0.5
