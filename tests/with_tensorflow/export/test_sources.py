"""Every kind of source: the same small network in thirteen containers gives the same picture from each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tendies_ops.spec import InputContract, ModelSpec, OutputContract
from tests.support.pixels import pixels_of, png, random_pixels
from tests.with_tensorflow.export.exported import ExportHere
from tests.with_tensorflow.export.small_sources import (
    BUILDERS,
    OFFSET,
    WEIGHTS,
    copy_of,
    write_tf1_checkpoint,
    write_tf2_generators,
)

SOURCES: dict[str, dict[str, Any]] = {
    "tf1_checkpoint with a builder": {"checkpoint": "tf1", "builder": "graph"},
    "tf1_checkpoint by prefix": {"checkpoint": "tf1/model.ckpt-7", "builder": "graph"},
    "tf1_checkpoint by one of its files": {"checkpoint": "tf1/model.ckpt-7.index", "builder": "graph"},
    "tf1_checkpoint with a .meta": {"checkpoint": "tf1", "graph": "graph.meta"},
    "tf1_checkpoint with a GraphDef": {"checkpoint": "tf1", "graph": "graph.pb"},
    "tf1_checkpoint with a text GraphDef": {"checkpoint": "tf1", "graph": "graph.pbtxt"},
    "tf1_checkpoint with a flag bound": {
        "checkpoint": "tf1",
        "builder": "graph_with_dropout",
        "constants": {"is_training": False},
    },
    "tf1_checkpoint under other names": {
        "checkpoint": "tf1",
        "builder": "graph_under_another_name",
        "variable_map": {"Generator/conv/kernel": "G/conv/weights", "Generator/(.*)": r"G/\1"},
    },
    "tf2_checkpoint": {"checkpoint": "tf2", "builder": "model"},
    "tf2_checkpoint under other names": {
        "checkpoint": "tf2",
        "builder": "renamed_model",
        "variable_map": {"kernel": "weights"},
    },
    "keras": {"checkpoint": "model.keras"},
    "keras .h5": {"checkpoint": "model.h5"},
    "keras weights with a builder": {"checkpoint": "only.weights.h5", "builder": "keras_model"},
    "frozen_graph": {"checkpoint": "frozen.pb"},
    "frozen_graph as text": {"checkpoint": "frozen.pbtxt"},
    "saved_model of TF1": {"checkpoint": "saved_tf1"},
    "saved_model of TF2": {"checkpoint": "saved_tf2"},
}
CONTRACT: dict[str, dict[str, Any]] = {
    "input": {"range": {"low": -1, "high": 1}},
    "output": {"range": {"low": -1, "high": 1}},
}


def small_spec(
    small: Path, wanted: Mapping[str, Any], contract: Mapping[str, Any] = CONTRACT, **more: Any
) -> ModelSpec:
    source = dict(wanted)
    source["checkpoint"] = small / source["checkpoint"]
    if "graph" in source:
        source["graph"] = small / source["graph"]
    if "builder" in source:
        source["builder"] = f"{BUILDERS}:{source['builder']}"
    return ModelSpec.model_validate({"model_name": "small", "source": source, "contract": contract, **more})


def by_hand_values(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The network in NumPy: what it gives for a picture, -1..1."""
    x = np.pad(pixels.astype(np.float64) / 127.5 - 1, [(1, 1), (1, 1), (0, 0)])
    height, width = pixels.shape[:2]
    out = sum(
        np.einsum("hwi,io->hwo", x[row : row + height, column : column + width], WEIGHTS[row, column])
        for row in range(3)
        for column in range(3)
    )
    values: NDArray[np.float64] = np.tanh(out + OFFSET)
    return values


def by_hand(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The same from file to file."""
    return np.clip(np.rint((by_hand_values(pixels) + 1) * 127.5), 0, 255)


@pytest.mark.parametrize("kind", SOURCES)
def test_every_source_gives_the_picture_that_the_network_gives_by_hand(
    kind: str, small_sources: Path, export_here: ExportHere
) -> None:
    pixels = random_pixels(21, 34)
    exported = export_here(small_spec(small_sources, SOURCES[kind]))
    answer = pixels_of(exported.send(png(pixels))["output_bytes"][0])

    assert exported.manifest.source.kind == kind.split(maxsplit=1)[0]
    assert np.abs(answer - by_hand(pixels)).max() <= 1
    assert max(entry.max_abs for entry in exported.manifest.parity) <= 1


@pytest.mark.parametrize("version", [1, 2])
def test_a_checkpoint_of_the_old_single_file_format_restores_as_well(
    version: int, small_sources: Path, export_here: ExportHere, tmp_path: Path
) -> None:
    from tensorflow.core.protobuf.saver_pb2 import SaverDef

    assert SaverDef.V1 == 1
    write_tf1_checkpoint(tmp_path / "old.ckpt", version=version, extra=False)
    spec = small_spec(small_sources, {"checkpoint": tmp_path / "old.ckpt", "builder": "graph"})
    pixels = random_pixels(9, 12)

    assert (tmp_path / "old.ckpt").is_file() == (version == 1)
    answer = pixels_of(export_here(spec).send(png(pixels))["output_bytes"][0])
    assert np.abs(answer - by_hand(pixels)).max() <= 1


def test_what_the_graph_does_not_need_is_named_in_the_manifest(small_sources: Path, export_here: ExportHere) -> None:
    source = export_here(small_spec(small_sources, SOURCES["tf1_checkpoint with a builder"])).manifest.source
    assert source.unused_variables == ("D_Y/weights", "G/conv/weights/Adam")
    assert source.step == 7


def test_optimizer_slots_of_a_tf2_checkpoint_are_no_unused_variables(
    small_sources: Path, export_here: ExportHere
) -> None:
    assert export_here(small_spec(small_sources, SOURCES["tf2_checkpoint"])).manifest.source.unused_variables == ()


def test_a_copied_directory_is_read_where_it_is_and_not_where_it_came_from(
    small_sources: Path, export_here: ExportHere, tmp_path: Path
) -> None:
    # The `checkpoint` file holds the absolute path of the place where the training wrote.
    copy = copy_of(small_sources / "tf1", tmp_path / "copy")
    spec = small_spec(small_sources, {"checkpoint": copy, "builder": "graph"})
    assert export_here(spec).manifest.source.checkpoint == str(copy / "model.ckpt-7")


def test_without_a_state_file_the_highest_step_is_taken(
    small_sources: Path, export_here: ExportHere, tmp_path: Path
) -> None:
    for step in (9, 100, 20):
        write_tf1_checkpoint(tmp_path / f"model.ckpt-{step}")
    (tmp_path / "checkpoint").unlink()
    assert (
        export_here(small_spec(small_sources, {"checkpoint": tmp_path, "builder": "graph"})).manifest.source.step == 100
    )


def test_a_saved_model_may_be_text(small_sources: Path, export_here: ExportHere, tmp_path: Path) -> None:
    from google.protobuf import text_format
    from tensorflow.core.protobuf import saved_model_pb2

    folder = copy_of(small_sources / "saved_tf1", tmp_path / "text")
    saved_model = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    (folder / "saved_model.pb").unlink()
    (folder / "saved_model.pbtxt").write_text(text_format.MessageToString(saved_model))
    pixels = random_pixels(9, 12)
    answer = pixels_of(
        export_here(small_spec(small_sources, {"checkpoint": folder})).send(png(pixels))["output_bytes"][0]
    )
    assert np.abs(answer - by_hand(pixels)).max() <= 1


def test_one_of_two_generators_is_taken_by_its_name(
    small_sources: Path, export_here: ExportHere, tmp_path: Path
) -> None:
    write_tf2_generators(tmp_path / "ck", generator_f=-WEIGHTS, generator_g=WEIGHTS)
    pixels = random_pixels(9, 12)
    source = {"checkpoint": tmp_path, "builder": "model", "variable_map": {"(.*)": r"generator_g/\1"}}
    answer = pixels_of(export_here(small_spec(small_sources, source)).send(png(pixels))["output_bytes"][0])
    assert np.abs(answer - by_hand(pixels)).max() <= 1


def test_a_network_of_the_same_names_and_other_shapes_is_no_second_place(
    small_sources: Path, export_here: ExportHere, tmp_path: Path
) -> None:
    import tensorflow as tf

    other = tf.Module()
    other.weights, other.offset = tf.Variable(tf.zeros([2, 2])), tf.Variable(tf.zeros([2]))
    generator = tf.Module()
    generator.weights, generator.offset = tf.Variable(WEIGHTS), tf.Variable(OFFSET)
    tf.train.Checkpoint(discriminator=other, generator=generator).save(str(tmp_path / "both" / "ck"))
    pixels = random_pixels(9, 12)
    source = {"checkpoint": tmp_path / "both", "builder": "model"}
    answer = pixels_of(export_here(small_spec(small_sources, source)).send(png(pixels))["output_bytes"][0])
    assert np.abs(answer - by_hand(pixels)).max() <= 1


def test_the_double_scaling_of_2018_would_fail_the_proof(
    small_sources: Path, export_here: ExportHere, monkeypatch: pytest.MonkeyPatch
) -> None:
    # convert_image_dtype to 0..1, and / 127.5 - 1 on top: every picture becomes nearly -1.
    from tendies_ops.errors import ParityError
    from tendies_ops.export.contract import decode, signature

    def twice(pixels: Any, contract: InputContract) -> Any:
        return decode.to_network_values(pixels, contract) / 127.5 - 1

    monkeypatch.setattr(signature, "to_network_values", twice)
    with pytest.raises(ParityError, match="computes something else than its source"):
        export_here(small_spec(small_sources, SOURCES["frozen_graph"]))


def test_a_cast_without_clipping_would_fail_the_proof(
    small_sources: Path, export_here: ExportHere, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tensorflow as tf

    from tendies_ops.errors import ParityError
    from tendies_ops.export.contract import encode

    def wraps_round(values: Any, contract: OutputContract) -> Any:
        low, high = contract.range.low, contract.range.high
        return tf.cast(tf.cast(tf.round((values - low) * (255.0 / (high - low))), tf.int32), tf.uint8)

    monkeypatch.setattr(encode, "to_pixels", wraps_round)
    narrow = {"input": CONTRACT["input"], "output": {"range": {"low": -0.5, "high": 0.5}}}
    with pytest.raises(ParityError):
        export_here(small_spec(small_sources, SOURCES["frozen_graph"], narrow))
