"""Both demo models, exported and loaded with nothing but TensorFlow: files in, files out, for any number of them."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tendies_ops.export import export_model
from tendies_ops.spec import load_spec
from tests.support.examples import EXAMPLES, load_example

make_noise = load_example("noise_to_stripes/make_noise.py")

Serve = Callable[[list[bytes]], list[np.ndarray]]


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Serve]:
    """Export a model once and call it as a client would."""
    loaded: dict[str, Any] = {}

    def load(name: str) -> Serve:
        import tensorflow as tf

        if name not in loaded:
            directory = tmp_path_factory.mktemp("exported") / name
            export_model(load_spec(EXAMPLES / "models" / f"{name}.yaml"), directory)
            loaded[name] = tf.saved_model.load(str(directory))
        signature = loaded[name].signatures["serving_default"]

        def call(files: list[bytes]) -> list[np.ndarray]:
            answers = signature(input_bytes=tf.constant(files))["output_bytes"].numpy()
            return [np.asarray(Image.open(io.BytesIO(answer))).astype(int) for answer in answers]

        return call

    return load


def noise_files(count: int) -> list[bytes]:
    pictures = make_noise.to_pixels(make_noise.gaussian_noise(np.random.default_rng(4), count))
    return [png(pixels) for pixels in pictures]


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


def pixels_of(file: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(file)).convert("RGB")).astype(np.float32)


def run_generator(tensors: np.ndarray) -> np.ndarray:
    """Run the training's own graph, one picture at a time, and give what 0..255 its output stands for."""
    import tensorflow as tf

    tf1 = tf.compat.v1
    spec = load_spec(EXAMPLES / "models" / "noise_to_stripes.yaml")
    model = load_example("noise_to_stripes/model.py")
    with tf1.Graph().as_default(), tf1.Session() as session:
        image = tf1.placeholder(tf.float32, (1, 64, 64, 3))
        output = model.generator(image, **spec.source.builder_arguments)
        tf1.train.Saver().restore(session, tf.train.latest_checkpoint(str(spec.source.checkpoint)))
        outputs = [session.run(output, {image: tensor[None]})[0] for tensor in tensors]
    return np.stack([make_noise.to_pixels(output) for output in outputs]).astype(int)


def run_style(tensors: np.ndarray) -> np.ndarray:
    """Run the Keras network itself, and give what 0..255 its output stands for."""
    import keras

    model = load_example("brush_strokes/model.py")
    spec = load_spec(EXAMPLES / "models" / "brush_strokes.yaml")
    network = keras.saving.load_model(spec.source.checkpoint, compile=False, custom_objects=model.custom_layers())
    painted: np.ndarray = np.clip(np.asarray(network(tensors)), 0.0, 1.0)
    return np.round(painted * 255).astype(int)


@pytest.mark.parametrize("count", [1, 7, 32])
def test_the_generator_built_for_one_takes_any_number_and_equals_its_source(
    serve: Callable[[str], Serve], count: int
) -> None:
    files = noise_files(count)
    wanted = run_generator(np.stack([pixels_of(file) for file in files]) / 127.5 - 1.0)
    for answer, expected in zip(serve("noise_to_stripes")(files), wanted, strict=True):
        assert np.abs(answer - expected).max() <= 1


def test_the_generators_pictures_are_not_scaled_twice(serve: Callable[[str], Serve]) -> None:
    """
    The tutorial of 2018 divided by 255 and then by 127.5 again: every picture became nearly -1.

    The first instance norm stretches that again, so the result is only a few steps of 255 off; the limit of 1 sees it.
    """
    files = noise_files(2)
    scaled_twice = run_generator(np.stack([pixels_of(file) for file in files]) / 255.0 / 127.5 - 1.0)
    for answer, wrong in zip(serve("noise_to_stripes")(files), scaled_twice, strict=True):
        assert np.abs(answer - wrong).max() > 3


def test_the_photo_styles_pictures_are_not_scaled_twice(serve: Callable[[str], Serve]) -> None:
    files = [png(np.full((32, 32, 3), 200, dtype=np.uint8))]
    scaled_twice = run_style(np.stack([pixels_of(file) for file in files]) / 255.0 / 255.0)
    for answer, wrong in zip(serve("brush_strokes")(files), scaled_twice, strict=True):
        assert np.abs(answer - wrong).mean() > 50


@pytest.mark.parametrize("count", [1, 7, 32])
def test_the_photo_style_takes_any_number_and_equals_its_source(serve: Callable[[str], Serve], count: int) -> None:
    rng = np.random.default_rng(5)
    files = [png(rng.integers(0, 256, (40, 56, 3), dtype=np.uint8)) for _ in range(count)]
    wanted = run_style(np.stack([pixels_of(file) for file in files]) / 255.0)
    for answer, expected in zip(serve("brush_strokes")(files), wanted, strict=True):
        assert np.abs(answer - expected).max() <= 1


def test_a_photograph_of_odd_size_comes_back_in_its_size(serve: Callable[[str], Serve]) -> None:
    file = png(np.random.default_rng(6).integers(0, 256, (61, 47, 3), dtype=np.uint8))
    (answer,) = serve("brush_strokes")([file])
    assert answer.shape == (61, 47, 3)


def test_a_photograph_from_a_file_goes_through(serve: Callable[[str], Serve]) -> None:
    import skimage

    file = (Path(skimage.__file__).parent / "data" / "rocket.jpg").read_bytes()
    (answer,) = serve("brush_strokes")([file])
    assert answer.shape == pixels_of(file).shape
    assert np.abs(answer - pixels_of(file)).mean() > 8
