"""Small SavedModels of tendies' own signature, made once a session in a process of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_MAKE = """
import sys
import tensorflow as tf

class Model(tf.Module):
    def __init__(self, number):
        self.suffix = tf.Variable(f"|{number}")
        self.weights = tf.Variable(tf.zeros([int(sys.argv[2]), 1024, 256]))  # 1 MiB each

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="input_bytes")])
    def serve(self, input_bytes):
        nothing = tf.strings.as_string(tf.cast(self.weights[0, 0, 0], tf.int32))
        return {"output_bytes": tf.strings.join([input_bytes, self.suffix, tf.strings.substr(nothing, 0, 0)])}

for number in (1, 2):
    model = Model(number)
    tf.saved_model.save(model, f"{sys.argv[1]}/{number}", signatures={"serving_default": model.serve})
"""


_MAKE_EXAMPLES = """
import sys
import tensorflow as tf

class Model(tf.Module):
    def x_of(self, inputs):
        return tf.io.parse_example(inputs, {"x": tf.io.FixedLenFeature([], tf.float32, 0.0)})["x"]

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
    def classify(self, inputs):
        x = self.x_of(inputs)
        names = tf.tile(tf.constant([["low", "high"]]), [tf.shape(x)[0], 1])
        return {"classes": names, "scores": tf.stack([1.0 - x, x], axis=1)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
    def regress(self, inputs):
        return {"outputs": 2.0 * self.x_of(inputs)}

    @tf.function(input_signature=[tf.TensorSpec(None, tf.bfloat16, name="x")])
    def shape(self, x):
        return {"shape": tf.shape(x)}

model = Model()
signatures = {"serving_default": model.classify, "regress": model.regress, "shape": model.shape}
tf.saved_model.save(model, f"{sys.argv[1]}/1", signatures=signatures)
"""


def _run(code: str, *arguments: str) -> None:
    subprocess.run([sys.executable, "-c", code, *arguments], check=True, timeout=180)


def _make(directory: Path, megabytes: int) -> Path:
    _run(_MAKE, str(directory), str(megabytes))
    return directory


@pytest.fixture(scope="session")
def example_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """
    Version 1 classifies (serving_default) and regresses (regress) tf.Examples with a float ``x``.

    Its signature ``shape`` tells the shape of a bfloat16 ``x``.
    """
    directory = tmp_path_factory.mktemp("example-models")
    _run(_MAKE_EXAMPLES, str(directory))
    return directory


@pytest.fixture(scope="session")
def suffix_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Versions 1 and 2: each file comes back with ``|1`` or ``|2`` behind it. 1 MiB of weights."""
    return _make(tmp_path_factory.mktemp("suffix-models"), 1)


@pytest.fixture(scope="session")
def heavy_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with 40 MiB of weights."""
    return _make(tmp_path_factory.mktemp("heavy-models"), 40)


@pytest.fixture
def models(shared_data: Path) -> Path:
    """The models that the real server was recorded with."""
    return shared_data / "model-server-exchanges" / "models"


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """Where a model base path can be made."""
    return tmp_path / "life"
