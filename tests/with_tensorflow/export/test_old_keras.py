"""An ``.h5`` of Keras 2 that Keras 3 refuses: ``tf_keras`` reads it; without that the error says what to install."""

from __future__ import annotations

import importlib.util
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tendies_ops.errors import ExportError
from tendies_ops.spec import ModelSpec
from tests.support.pixels import pixels_of, png, random_pixels
from tests.with_tensorflow.export.exported import ExportHere
from tests.with_tensorflow.export.small_sources import OFFSET, WEIGHTS
from tests.with_tensorflow.export.test_sources import CONTRACT, by_hand, small_spec


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
    with pytest.raises(ExportError, match=r"TFOpLambda.*\[keras2\]"):
        export_here(small_spec(small_sources, {"checkpoint": old_file}))


def test_a_dot_keras_of_keras_2_is_read_by_tf_keras(
    tmp_path: Path, small_sources: Path, export_here: ExportHere
) -> None:
    tf_keras = pytest.importorskip("tf_keras")
    image = tf_keras.Input((None, None, 3))
    convolution = tf_keras.layers.Conv2D(3, 3, padding="same", activation="tanh")
    model = tf_keras.Model(image, convolution(image))
    convolution.set_weights([WEIGHTS, OFFSET])
    model.save(tmp_path / "old.keras")
    pixels = random_pixels(9, 12)
    exported = export_here(small_spec(small_sources, {"checkpoint": tmp_path / "old.keras"}))
    assert np.abs(pixels_of(exported.send(png(pixels))["output_bytes"][0]) - by_hand(pixels)).max() <= 1


def test_a_dot_keras_that_neither_keras_loads_is_named_as_one_of_keras_2(
    tmp_path: Path, small_sources: Path, export_here: ExportHere
) -> None:
    tf_keras = pytest.importorskip("tf_keras")
    tf_keras.Sequential([tf_keras.Input((8, 8, 3)), tf_keras.layers.Conv2D(3, 3)]).save(tmp_path / "saved.keras")
    with zipfile.ZipFile(tmp_path / "saved.keras") as saved, zipfile.ZipFile(tmp_path / "old.keras", "w") as old:
        for name in saved.namelist():
            content = saved.read(name).replace(b'"padding"', b'"an_option_that_is_gone"')
            old.writestr(name, json.dumps({"keras_version": "2.13.1"}) if name == "metadata.json" else content)
    with pytest.raises(ExportError, match=r"file of Keras 2 \(keras_version 2\.13\.1\).*Save it again"):
        export_here(small_spec(small_sources, {"checkpoint": tmp_path / "old.keras"}))


def test_a_builder_of_the_whole_model_next_to_a_whole_file_gets_its_weights(
    tmp_path: Path, export_here: ExportHere
) -> None:
    import keras

    model = keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(3, 3, padding="same", name="c")])
    model.layers[0].set_weights([WEIGHTS, OFFSET])
    model.save(tmp_path / "whole.keras")
    (tmp_path / "net.py").write_text(
        "import keras\n"
        "def model():\n"
        "    c = keras.layers.Conv2D(3, 3, padding='same', activation='tanh', name='c')\n"
        "    return keras.Sequential([keras.Input((None, None, 3)), c])\n"
    )
    source = {"checkpoint": tmp_path / "whole.keras", "builder": f"{tmp_path}/net.py:model"}
    pixels = random_pixels(9, 12)
    exported = export_here(ModelSpec.model_validate({"model_name": "net", "source": source, "contract": CONTRACT}))
    assert np.abs(pixels_of(exported.send(png(pixels))["output_bytes"][0]) - by_hand(pixels)).max() <= 1
