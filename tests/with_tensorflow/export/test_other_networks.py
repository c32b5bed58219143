"""Networks whose ends or files are unusual, each exported and compared with numbers worked out by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tendies_ops.errors import CheckpointError, SpecError, UntrustedModelError
from tendies_ops.spec import ModelSpec
from tests.support.pixels import pixels_of, png, random_pixels
from tests.with_tensorflow.export.exported import ExportHere

BYTES = {"low": 0, "high": 255}


def spec(checkpoint: Path, contract: dict[str, Any] | None = None, **source: Any) -> ModelSpec:
    return ModelSpec.model_validate(
        {"model_name": "net", "source": {"checkpoint": checkpoint, **source}, "contract": contract or {}}
    )


def write_graph(path: Path, build: Any) -> Path:
    """Write a frozen graph that ``build`` makes."""
    import tensorflow as tf

    with tf.Graph().as_default() as graph:
        build(tf)
    path.write_bytes(graph.as_graph_def().SerializeToString())
    return path


@pytest.mark.parametrize("rank", [0, 1])
def test_a_saved_model_that_takes_and_gives_files_is_wrapped(
    rank: int, tmp_path: Path, export_here: ExportHere
) -> None:
    import tensorflow as tf

    def invert(file: Any) -> Any:
        return tf.io.encode_png(255 - tf.io.decode_image(file, channels=3, expand_animations=False))

    def invert_all(files: Any) -> Any:
        return tf.map_fn(invert, files, fn_output_signature=tf.string)

    module = tf.Module()
    module.call = tf.function(invert_all if rank else invert)
    signature = module.call.get_concrete_function(tf.TensorSpec([None] * rank, tf.string, name="files"))
    tf.saved_model.save(module, str(tmp_path / "files"), signatures=signature)
    exported = export_here(spec(tmp_path / "files", {"input": {"dtype": "uint8"}, "output": {"range": BYTES}}))
    first, second = random_pixels(9, 12), random_pixels(14, 7)
    answers = exported.send(png(first), png(second))["output_bytes"]
    assert np.array_equal(pixels_of(answers[0]), 255 - first)
    assert np.array_equal(pixels_of(answers[1]), 255 - second)


def test_a_saved_model_that_takes_files_and_gives_scores_is_wrapped(tmp_path: Path, export_here: ExportHere) -> None:
    import tensorflow as tf

    def mean(file: Any) -> Any:
        return tf.reduce_mean(tf.cast(tf.io.decode_png(file, channels=3), tf.float32), axis=[0, 1]) / 255

    module = tf.Module()
    module.call = tf.function(lambda files: tf.map_fn(mean, files, fn_output_signature=tf.float32))
    signature = module.call.get_concrete_function(tf.TensorSpec([None], tf.string, name="files"))
    tf.saved_model.save(module, str(tmp_path / "files"), signatures=signature)
    exported = export_here(
        spec(tmp_path / "files", {"input": {"dtype": "uint8"}, "output": {"kind": "classification"}})
    )
    pixels = random_pixels(9, 12)
    assert np.allclose(exported.send(png(pixels))["scores"][0], pixels.mean((0, 1)) / 255, atol=1e-5)


def test_a_network_for_one_picture_without_a_batch_answers_any_number(tmp_path: Path, export_here: ExportHere) -> None:
    def build(tf: Any) -> None:
        picture = tf.compat.v1.placeholder(tf.float32, [None, None, 3], name="picture")
        tf.identity(1.0 - picture, name="negative")

    exported = export_here(spec(write_graph(tmp_path / "one.pb", build)))
    assert exported.manifest.contract.input.batch_size == 1
    first, second = random_pixels(9, 12), random_pixels(14, 7)
    answers = exported.send(png(first), png(second))["output_bytes"]
    assert np.array_equal(pixels_of(answers[0]), 255 - first)
    assert np.array_equal(pixels_of(answers[1]), 255 - second)


def shrinking(tf: Any) -> None:
    """A blur of 5 x 5 without padding: 2 pixels less on each side."""
    picture = tf.compat.v1.placeholder(tf.float32, [None, None, None, 3], name="picture")
    kernel = tf.ones([5, 5, 3, 1]) / 25
    tf.nn.depthwise_conv2d(picture, kernel, [1, 1, 1, 1], "VALID", name="blurred")


def blurred(pixels: np.ndarray) -> np.ndarray:
    height, width = pixels.shape[0] - 4, pixels.shape[1] - 4
    windows = [pixels[y : y + height, x : x + width].astype(float) for y in range(5) for x in range(5)]
    return np.asarray(np.mean(windows, axis=0))


def test_a_margin_gives_a_network_that_cuts_off_borders_the_size_of_its_input(
    tmp_path: Path, export_here: ExportHere
) -> None:
    exported = export_here(spec(write_graph(tmp_path / "blur.pb", shrinking), {"input": {"margin": 2}}))
    pixels = random_pixels(9, 12)
    wanted = blurred(np.pad(pixels, ((2, 2), (2, 2), (0, 0)), mode="reflect"))
    assert np.abs(pixels_of(exported.send(png(pixels))["output_bytes"][0]) - wanted).max() <= 1


def test_a_margin_that_is_not_cut_off_is_refused(tmp_path: Path, export_here: ExportHere) -> None:
    with pytest.raises(SpecError, match=r"does not cut off all of contract\.input\.margin"):
        export_here(spec(write_graph(tmp_path / "blur.pb", shrinking), {"input": {"margin": 4}}))


def test_a_smaller_result_is_brought_back_to_the_size_of_the_picture_if_asked(
    tmp_path: Path, export_here: ExportHere
) -> None:
    contract = {"output": {"restore_size": True}}
    exported = export_here(spec(write_graph(tmp_path / "blur.pb", shrinking), contract))
    assert pixels_of(exported.send(png(random_pixels(20, 31)))["output_bytes"][0]).shape == (20, 31, 3)


def test_a_frozen_training_graph_with_reference_types_computes_with_values(
    tmp_path: Path, export_here: ExportHere
) -> None:
    import tensorflow as tf

    def build(tf: Any) -> None:
        picture = tf.compat.v1.placeholder(tf.float32, [None, None, None, 3], name="picture")
        mean = tf.constant([0.25, 0.25, 0.25], name="moving_mean")
        training = tf.constant(False, name="is_training")
        off, _ = tf.raw_ops.Switch(data=mean, pred=training, name="switch")
        tf.raw_ops.Sub(x=picture, y=off, name="centred")

    path = write_graph(tmp_path / "train.pb", build)
    graph = tf.compat.v1.GraphDef.FromString(path.read_bytes())
    switch = next(node for node in graph.node if node.name == "switch")
    switch.op = "RefSwitch"
    update = graph.node.add(name="update", op="AssignSub", input=["moving_mean", "moving_mean"])
    update.attr["T"].type = tf.float32.as_datatype_enum
    update.attr["use_locking"].b = False
    path.write_bytes(graph.SerializeToString())
    exported = export_here(spec(path, {"output": {"range": {"low": -0.25, "high": 0.75}}}, input_tensor="picture"))
    pixels = random_pixels(9, 12)
    assert np.abs(pixels_of(exported.send(png(pixels))["output_bytes"][0]).astype(int) - pixels).max() <= 1


def test_a_saved_model_with_a_call_and_no_signature_is_called(tmp_path: Path, export_here: ExportHere) -> None:
    import tensorflow as tf

    class Half(tf.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.share = tf.Variable(0.5)

        @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3], tf.float32)])  # type: ignore[untyped-decorator]
        def __call__(self, picture: Any) -> Any:
            return picture * self.share

    tf.saved_model.save(Half(), str(tmp_path / "hub"))
    exported = export_here(spec(tmp_path / "hub"))
    pixels = random_pixels(9, 12)
    assert np.abs(pixels_of(exported.send(png(pixels))["output_bytes"][0]) - pixels / 2).max() <= 1


def test_the_scores_of_a_saved_model_that_also_looks_up_names_in_a_file_export_without_the_table(
    tmp_path: Path, export_here: ExportHere
) -> None:
    import tensorflow as tf

    (tmp_path / "labels.txt").write_text("red\ngreen\nblue\n")

    class Named(tf.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            rows = tf.lookup.TextFileInitializer(
                str(tmp_path / "labels.txt"), tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER, tf.string,
                tf.lookup.TextFileIndex.WHOLE_LINE,
            )  # fmt: skip
            self.names = tf.lookup.StaticHashTable(rows, "?")
            self.weights = tf.Variable(tf.eye(3))

        def __call__(self, picture: Any) -> dict[str, Any]:
            scores = tf.reduce_mean(picture, axis=[1, 2]) @ self.weights
            return {"scores": scores, "names": self.names.lookup(tf.argmax(scores, axis=1))}

    module = Named()
    call = tf.function(module.__call__)
    signature = call.get_concrete_function(tf.TensorSpec([None, None, None, 3], tf.float32))
    tf.saved_model.save(module, str(tmp_path / "named"), signatures=signature)
    contract = {"output": {"kind": "classification", "labels": ["red", "green", "blue"]}}
    exported = export_here(spec(tmp_path / "named", contract, output_tensors={"output": "scores"}))
    pixels = random_pixels(9, 12)
    assert np.allclose(exported.send(png(pixels))["scores"][0], pixels.mean((0, 1)) / 255, atol=1e-5)


KERAS_3_BUILDER = """
import keras
def build():
    image = keras.Input((None, None, 3))
    wide = keras.layers.Conv2D(3, 3, padding="same", name="a")(image)
    return keras.Model(image, keras.layers.Conv2D(3, 1, padding="same", name="b")(wide))
"""


def test_weights_that_keras_2_saved_as_a_checkpoint_fit_a_model_of_keras_3(
    tmp_path: Path, export_here: ExportHere
) -> None:
    tf_keras = pytest.importorskip("tf_keras")
    image = tf_keras.Input((None, None, 3))
    wide = tf_keras.layers.Conv2D(3, 3, padding="same")(image)
    old = tf_keras.Model(image, tf_keras.layers.Conv2D(3, 1, padding="same")(wide))
    random = np.random.default_rng(3)
    weights = [random.normal(0, 0.2, weight.shape).astype(np.float32) for weight in old.get_weights()]
    old.set_weights(weights)
    old.save_weights(str(tmp_path / "weights"), save_format="tf")
    (tmp_path / "model.py").write_text(KERAS_3_BUILDER)
    source = {"builder": f"{tmp_path / 'model.py'}:build"}
    exported = export_here(spec(tmp_path / "weights", {"output": {"kind": "tensor"}}, **source))
    pixels = random_pixels(9, 12)
    assert np.allclose(exported.send(png(pixels))["output"][0], old(pixels[None] / np.float32(255))[0], atol=1e-4)


def test_variables_that_do_not_fit_are_not_suggested_by_their_names(tmp_path: Path, export_here: ExportHere) -> None:
    tf_keras = pytest.importorskip("tf_keras")
    old = tf_keras.Sequential([tf_keras.layers.Conv2D(8, 3, input_shape=(None, None, 3))])
    old.save_weights(str(tmp_path / "weights"), save_format="tf")
    (tmp_path / "model.py").write_text(KERAS_3_BUILDER)
    with pytest.raises(CheckpointError, match="nearest in the checkpoint: none"):
        export_here(spec(tmp_path / "weights", builder=f"{tmp_path / 'model.py'}:build"))


def test_a_keras_file_with_layers_of_its_own_names_the_dict_that_the_builder_must_return(
    tmp_path: Path, export_here: ExportHere
) -> None:
    import keras

    @keras.saving.register_keras_serializable(package="cartoon")
    class Doubled(keras.layers.Layer):  # type: ignore[misc]
        def call(self, values: Any) -> Any:
            return 2 * values

    image = keras.Input((None, None, 3))
    keras.Model(image, Doubled()(image)).save(tmp_path / "own.keras")
    with pytest.raises(UntrustedModelError, match=r"here \{'cartoon>Doubled': Doubled\}"):
        export_here(spec(tmp_path / "own.keras"))
