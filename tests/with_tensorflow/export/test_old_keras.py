"""An ``.h5`` of Keras 2 that Keras 3 refuses: ``tf_keras`` reads it; without that the error says what to install."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from tendies_ops.errors import ExportError
from tests.support.pixels import pixels_of, png, random_pixels
from tests.with_tensorflow.export.exported import ExportHere
from tests.with_tensorflow.export.small_sources import OFFSET, WEIGHTS
from tests.with_tensorflow.export.test_sources import by_hand, small_spec


@pytest.fixture(scope="module")
def old_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small network, with a bare TensorFlow operation as a layer: Keras 3 knows no ``TFOpLambda``."""
    import tensorflow as tf

    tf_keras = pytest.importorskip("tf_keras")
    image = tf_keras.Input((None, None, 3))
    convolution = tf_keras.layers.Conv2D(3, 3, padding="same")
    model = tf_keras.Model(image, tf.tanh(convolution(image)))
    convolution.set_weights([WEIGHTS, OFFSET])
    path = tmp_path_factory.mktemp("old") / "old.h5"
    model.save(path)
    return path


def test_tf_keras_reads_what_keras_3_refuses(old_file: Path, small_sources: Path, export_here: ExportHere) -> None:
    pixels = random_pixels(9, 12)
    exported = export_here(small_spec(small_sources, {"checkpoint": old_file}))
    answer = pixels_of(exported.send(png(pixels))["output_bytes"][0])

    assert exported.manifest.source.kind == "keras"
    assert np.abs(answer - by_hand(pixels)).max() <= 1


def test_without_tf_keras_the_error_says_what_to_install(
    old_file: Path, small_sources: Path, export_here: ExportHere, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "tf_keras" else find(name, *a))
    with pytest.raises(ExportError, match=r"TFOpLambda.*pip install tf_keras"):
        export_here(small_spec(small_sources, {"checkpoint": old_file}))
