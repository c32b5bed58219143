"""Every format is named from the file alone, in the time of a glance, and TensorFlow stays out of the process."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tendies_ops.model_files import ModelFile, inspect_model
from tests.unit.export.test_foreign_formats import FILES
from tests.with_tensorflow.export.small_sources import write_tf1_checkpoint

#: path below the small sources -> what it is called, and the kind that a spec has for it
OWN = [
    ("tf1", "a TensorFlow 1 checkpoint", "tf1_checkpoint"),
    ("tf1/model.ckpt-7.index", "a TensorFlow 1 checkpoint", "tf1_checkpoint"),
    ("tf1/checkpoint", "a TensorFlow 1 checkpoint", "tf1_checkpoint"),
    ("tf2/ck-1", "a TensorFlow 2 checkpoint", "tf2_checkpoint"),
    ("model.keras", "a whole Keras 3", "keras"),
    ("model.h5", "a whole Keras 3", "keras"),
    ("only.weights.h5", "weights of a Keras model, without the model", "keras"),
    ("graph.meta", "the graph of a TensorFlow 1 checkpoint, without its weights (.meta)", "frozen_graph"),
    ("graph.pb", "the graph of a TensorFlow 1 checkpoint, without its weights (GraphDef)", "frozen_graph"),
    ("frozen.pb", "a frozen TensorFlow graph (GraphDef)", "frozen_graph"),
    ("frozen.pbtxt", "a TensorFlow graph as text", "frozen_graph"),
    ("saved_tf1", "a SavedModel of TensorFlow 2", "saved_model"),
    ("saved_tf2", "a SavedModel of TensorFlow 2", "saved_model"),
]


@pytest.mark.parametrize(("place", "name", "kind"), OWN)
def test_a_format_that_is_exported_is_named_with_its_kind(
    place: str, name: str, kind: str, small_sources: Path
) -> None:
    found = inspect_model(small_sources / place)
    assert found.format.startswith(name)
    assert found.kind == kind


def test_a_checkpoint_of_one_file_is_read_though_its_table_is_packed(tmp_path: Path) -> None:
    write_tf1_checkpoint(tmp_path / "old.ckpt", version=1)
    found = inspect_model(tmp_path / "old.ckpt")
    assert found.format == "a TensorFlow 1 checkpoint of one file (V1)"
    assert found.variables["G/conv/weights"] == (3, 3, 3, 3)


@pytest.mark.parametrize("place", ["tf1", "tf2/ck-1", "model.keras", "model.h5", "only.weights.h5", "saved_tf2"])
def test_the_weights_are_listed_with_their_shapes(place: str, small_sources: Path) -> None:
    assert {(3, 3, 3, 3), (3,)} <= set(inspect_model(small_sources / place).variables.values())


@pytest.mark.parametrize("place", ["model.keras", "model.h5", "graph.meta", "graph.pb", "frozen.pb", "saved_tf1"])
def test_the_ends_are_found(place: str, small_sources: Path) -> None:
    found = inspect_model(small_sources / place)
    assert found.inputs[0].shape == (None, None, None, 3)
    assert len(found.outputs) == 1


def test_what_holds_no_network_needs_a_builder(small_sources: Path) -> None:
    for place in ("tf1", "tf2/ck-1", "only.weights.h5"):
        assert any("source.builder" in need for need in inspect_model(small_sources / place).needs)


SCRIPT = """
import json, sys, time
from pathlib import Path
from tendies_ops.model_files import inspect_model
found = {}
for place in sys.argv[1:]:
    before = time.process_time()
    format = inspect_model(Path(place)).format
    found[place] = [format, time.process_time() - before]
print(json.dumps({"found": found, "tensorflow": "tensorflow" in sys.modules}))
"""


def test_no_format_needs_tensorflow_or_more_than_two_seconds_of_a_core(small_sources: Path, tmp_path: Path) -> None:
    places = [str(small_sources / place) for place, _, _ in OWN]
    for number, (name, content, _) in enumerate(FILES):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / name).write_bytes(content)
        places.append(str(tmp_path / str(number) / name))
    done = subprocess.run([sys.executable, "-c", SCRIPT, *places], capture_output=True, text=True, check=True)
    answer = json.loads(done.stdout)
    assert not answer["tensorflow"]
    assert len(answer["found"]) == len(places)
    assert max(seconds for _, seconds in answer["found"].values()) < 2
    for place, (_, _, said) in zip(places[len(OWN) :], FILES, strict=True):
        assert said in answer["found"][place][0]


REAL: list[tuple[str, Callable[[ModelFile], bool]]] = [
    ("cyclegan-vintage-tf1", lambda found: found.outputs[0].name == "G/output/Tanh"),
    ("cartoongan-light/light_paprika_SavedModel", lambda found: found.outputs[0].name == "output_1"),
    ("cartoongan-light/light_paprika_ckpt", lambda found: found.kind == "tf2_checkpoint"),
    ("detector-handtrack-ssd-savedmodel/1", lambda found: found.inputs[0].dtype == "uint8"),
    ("esrgan-slim-x2-keras2h5", lambda found: found.parameters == 222_075),
    ("fast-style-tf1/matilde_perez", lambda found: len(found.variables) == 48),
    (
        "magenta-multistyle26-frozen",
        lambda found: found.outputs[0].name.endswith("Sigmoid") and "style_num" in found.constants,
    ),
]


@pytest.mark.shared_data
@pytest.mark.parametrize(("place", "is_right"), REAL)
def test_what_matters_of_a_real_model_is_found(
    place: str, is_right: Callable[[ModelFile], bool], shared_data: Path
) -> None:
    assert is_right(inspect_model(shared_data / "models" / place))
