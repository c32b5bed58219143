"""A real SavedModel with variables that does what ``candidates.shift`` does."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.support.candidates import make_candidate, write_manifest


def save_model(directory: Path, by: float) -> None:
    """Every pixel value moves by ``by``, around the clock."""
    import tensorflow as tf

    class Shift(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.by = tf.Variable(tf.fill([3], float(by)))

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="input_bytes")])
        def serve(self, input_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"output_bytes": tf.map_fn(self.shift, input_bytes)}

        def shift(self, file: tf.Tensor) -> tf.Tensor:
            pixels = tf.cast(tf.io.decode_png(file, channels=3), tf.float32)
            return tf.io.encode_png(tf.cast(tf.math.floormod(pixels + self.by, 256.0), tf.uint8))

    model = Shift()
    tf.saved_model.save(model, str(directory), signatures=model.serve)


def make_export(directory: Path, *, by: int, model_name: str) -> Path:
    """As the exporter makes it: SavedModel, golden images, manifest."""
    make_candidate(directory, by=by, model_name=model_name)
    for name in ("fake.json", "saved_model.pb"):
        (directory / name).unlink()
    shutil.rmtree(directory / "variables")
    save_model(directory, by)
    write_manifest(directory, model_name=model_name)
    return directory
