"""Networks that do more than compute: they wait for their input, write to variables, or throw dice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tendies_ops.errors import ExportError, SpecError
from tendies_ops.spec import ModelSpec
from tests.support.pixels import pixels_of, png, random_pixels
from tests.with_tensorflow.export.exported import ExportHere
from tests.with_tensorflow.export.test_sources import CONTRACT

SIZED = {**CONTRACT["input"], "size": {"height": 16, "width": 16}, "batch_size": 1}
BUILDERS = """
import keras
import tensorflow as tf


class Counting(tf.Module):
    def __init__(self):
        super().__init__()
        self.scale = tf.Variable(0.5)
        self.calls = tf.Variable(0)

    def __call__(self, picture):
        self.calls.assign_add(1)
        return picture * self.scale


def normalising(rate=0.0):
    picture = keras.Input((16, 16, 3))
    x = keras.layers.BatchNormalization()(keras.layers.Conv2D(4, 3, padding="same")(picture))
    x = keras.layers.Dropout(rate)(x)
    return keras.Model(picture, keras.layers.Conv2D(3, 3, padding="same", activation="tanh")(x))
"""


def spec(folder: Path, **source: Any) -> ModelSpec:
    (folder / "net.py").write_text(BUILDERS)
    if "builder" in source:
        source["builder"] = f"{folder}/net.py:{source['builder']}"
    contract = {"input": SIZED, "output": CONTRACT["output"]}
    return ModelSpec.model_validate({"model_name": "net", "source": source, "contract": contract})


def made(folder: Path, name: str, **arguments: Any) -> Any:
    scope: dict[str, Any] = {}
    exec(BUILDERS, scope)
    return scope[name](**arguments)


def saved(folder: Path, model: Any) -> Path:
    import tensorflow as tf

    return Path(tf.train.Checkpoint(generator=model).save(str(folder / "training" / "ckpt"))).parent


def test_a_graph_that_waits_for_its_input_exports(tmp_path: Path, export_here: ExportHere) -> None:
    import tensorflow as tf

    with tf.Graph().as_default() as graph:
        image = tf.compat.v1.placeholder(tf.float32, [None, None, None, 3], name="image")
        with tf.control_dependencies([image]):
            half = tf.constant(0.5)
        tf.multiply(image, half, name="darker")
    tf.io.write_graph(graph, str(tmp_path), "net.pb", as_text=False)
    exported = export_here(
        ModelSpec.model_validate({"model_name": "net", "source": {"checkpoint": tmp_path / "net.pb"}})
    )

    pixels = random_pixels(9, 12)
    answer = pixels_of(exported.send(png(pixels))["output_bytes"][0])
    assert np.abs(answer - pixels / 2).max() <= 1


def test_a_counter_of_calls_does_not_hinder_an_export(tmp_path: Path, export_here: ExportHere) -> None:
    exported = export_here(spec(tmp_path, checkpoint=saved(tmp_path, made(tmp_path, "Counting")), builder="Counting"))
    pixels = random_pixels(16, 16)
    answer = pixels_of(exported.send(png(pixels))["output_bytes"][0])
    assert np.abs(answer - (pixels / 2 + 63.75)).max() <= 1


@pytest.mark.parametrize("kind", ["checkpoint", "file"])
def test_batch_statistics_of_the_picture_itself_are_used_where_training_is_bound(
    kind: str, tmp_path: Path, export_here: ExportHere
) -> None:
    import tensorflow as tf

    model = made(tmp_path, "normalising")
    source: dict[str, Any] = {"checkpoint": tmp_path / "net.keras"}
    if kind == "checkpoint":
        source = {"checkpoint": saved(tmp_path, model), "builder": "normalising"}
    else:
        model.save(tmp_path / "net.keras")
    exported = export_here(spec(tmp_path, **source, constants={"training": True}))

    pixels = random_pixels(16, 16)
    answer = pixels_of(exported.send(png(pixels))["output_bytes"][0])
    wanted = model(tf.constant(pixels[None] / 127.5 - 1, tf.float32), training=True)[0].numpy()
    assert np.abs(answer - np.clip((wanted + 1) * 127.5, 0, 255)).max() <= 1


def test_active_dropout_is_refused_and_named(tmp_path: Path, export_here: ExportHere) -> None:
    model = made(tmp_path, "normalising", rate=0.5)
    model.save(tmp_path / "net.keras")
    with pytest.raises(ExportError, match=r"second time.*dropout"):
        export_here(spec(tmp_path, checkpoint=tmp_path / "net.keras", constants={"training": True}))


def test_the_only_signature_is_taken_under_whatever_name(tmp_path: Path, export_here: ExportHere) -> None:
    import tensorflow as tf

    module = tf.Module()
    module.half = tf.function(lambda picture: picture * 0.5)
    signature = module.half.get_concrete_function(tf.TensorSpec([None, None, None, 3], tf.float32, name="picture"))
    tf.saved_model.save(module, str(tmp_path / "named"), signatures={"darken": signature})
    exported = export_here(
        ModelSpec.model_validate({"model_name": "net", "source": {"checkpoint": tmp_path / "named"}})
    )
    pixels = random_pixels(9, 12)
    assert np.abs(pixels_of(exported.send(png(pixels))["output_bytes"][0]) - pixels / 2).max() <= 1


def test_a_saved_model_without_signatures_is_refused_with_the_way_to_save_it(
    tmp_path: Path, export_here: ExportHere
) -> None:
    import tensorflow as tf

    tf.saved_model.save(tf.Module(), str(tmp_path / "bare"))
    with pytest.raises(SpecError, match="Save it again with signatures"):
        export_here(ModelSpec.model_validate({"model_name": "net", "source": {"checkpoint": tmp_path / "bare"}}))


def test_a_saved_model_of_encoded_files_is_named_as_one(tmp_path: Path, export_here: ExportHere) -> None:
    import tensorflow as tf

    module = tf.Module()
    decode = tf.function(lambda files: tf.map_fn(tf.io.decode_png, files, fn_output_signature=tf.uint8))
    module.decode = decode
    signature = decode.get_concrete_function(tf.TensorSpec([None], tf.string, name="files"))
    tf.saved_model.save(module, str(tmp_path / "bytes"), signatures=signature)
    with pytest.raises(SpecError, match=r"takes encoded picture files already.*dtype: uint8"):
        export_here(ModelSpec.model_validate({"model_name": "net", "source": {"checkpoint": tmp_path / "bytes"}}))
