"""The ends of a graph are found among all its nodes, the likeliest first, with the reason."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from tendies_ops.cli.main import app
from tendies_ops.model_files import ModelFile, holds_model, inspect_model
from tests.support.protos import a_shape, a_tensor, dtype, field, graph, node, number, shape

FLOAT, BOOL = 1, 10
IMAGE = node("photo", "Placeholder", dtype=dtype(FLOAT), shape=a_shape(-1, -1, -1, 3))


def inspect_graph(tmp_path: Path, *nodes: bytes) -> ModelFile:
    (tmp_path / "frozen.pb").write_bytes(graph(*nodes))
    return inspect_model(tmp_path / "frozen.pb")


def names(found: ModelFile) -> tuple[list[str], list[str]]:
    return [tensor.name for tensor in found.inputs], [tensor.name for tensor in found.outputs]


def test_the_picture_and_the_last_activation_are_found_and_the_channels_read_off_the_weights(tmp_path: Path) -> None:
    found = inspect_graph(
        tmp_path,
        IMAGE,
        node("kernel", "Const", dtype=dtype(FLOAT), value=a_tensor(3, 3, 3, 3)),
        node("conv", "Conv2D", "photo", "kernel", T=dtype(FLOAT)),
        node("tanh", "Tanh", "conv", T=dtype(FLOAT)),
    )
    assert names(found) == (["photo"], ["tanh"])
    assert found.inputs[0].shape == (None, None, None, 3)
    assert found.outputs[0].shape == (None, None, None, 3)
    assert "networks end in Tanh" in found.outputs[0].why
    assert found.parameters == 81


def test_a_loss_a_summary_and_a_dead_branch_are_not_taken_for_the_output(tmp_path: Path) -> None:
    found = inspect_graph(
        tmp_path,
        IMAGE,
        node("fake", "Tanh", "photo", T=dtype(FLOAT)),
        node("discriminator", "Conv2D", "fake", T=dtype(FLOAT)),
        node("loss", "Mean", "discriminator", T=dtype(FLOAT), _output_shapes=field(1, field(7, shape()))),
        node("summary", "ScalarSummary", "loss"),
        node("dead", "Switch", "fake", T=dtype(FLOAT)),
        node("gradients/fake", "TanhGrad", "fake", T=dtype(FLOAT)),
    )
    outputs = names(found)[1]
    assert outputs[0] == "fake"
    assert not {"loss", "summary", "dead", "gradients/fake"} & set(outputs)


def test_flags_of_training_dropout_and_styles_get_the_value_they_have_at_inference(tmp_path: Path) -> None:
    found = inspect_graph(
        tmp_path,
        IMAGE,
        node("is_training", "Placeholder", dtype=dtype(BOOL), shape=a_shape()),
        node("keep_prob", "Placeholder", dtype=dtype(FLOAT)),
        node("style", "Placeholder", dtype=dtype(FLOAT), shape=a_shape(26)),
        node("mask", "Placeholder", dtype=dtype(FLOAT), shape=a_shape(1, 7)),
        node("unrelated", "Placeholder", dtype=dtype(BOOL)),
        node("out", "AddN", "photo", "is_training", "keep_prob", "style", "mask", T=dtype(FLOAT)),
    )
    assert [tensor.name for tensor in found.inputs] == ["photo"]
    assert found.constants == {"is_training": False, "keep_prob": 1.0, "style": {"one_hot": [0, 26]}}
    assert [tensor.name for tensor in found.further_inputs] == ["mask"]


def test_what_takes_a_picture_out_of_its_batch_is_stepped_back_over(tmp_path: Path) -> None:
    found = inspect_graph(
        tmp_path,
        IMAGE,
        node("scaled", "Mul", "photo", T=dtype(FLOAT)),
        node("squeezed", "Squeeze", "scaled", T=dtype(FLOAT)),
        node("bytes", "Cast", "squeezed", DstT=dtype(4)),
    )
    assert names(found)[1] == ["scaled"]


def test_a_graph_without_a_picture_says_so(tmp_path: Path) -> None:
    found = inspect_graph(tmp_path, node("words", "Placeholder", dtype=dtype(7)), node("out", "Identity", "words"))
    assert names(found) == ([], [])
    assert "no placeholder of the graph can be a picture" in found.needs[0]


SIZE = shape(-1, -1, -1, 3)


def a_saved_model(*signatures: bytes) -> bytes:
    meta_graph = field(1, field(4, b"serve") + field(5, b"2.21.0")) + field(2, graph(IMAGE)) + field(5, *signatures)
    return number(1, 1) + field(2, meta_graph)


def a_signature(name: str, end: str) -> bytes:
    info = field(1, f"{end}:0".encode()) + number(2, FLOAT) + field(3, shape(-1, 64, 64, 3))
    entry = field(1, end.encode()) + field(2, info)
    return field(1, name.encode()) + field(2, field(1, entry) + field(2, entry))


def test_a_saved_model_names_its_ends_as_its_signature_does(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(a_saved_model(a_signature("paint", "photo")))
    found = inspect_model(tmp_path)
    assert found.format == "a SavedModel of TensorFlow 2.21.0"
    assert found.inputs[0].shape == (None, 64, 64, 3)
    assert list(found.signatures) == ["paint"]
    assert not found.needs


def test_of_a_base_path_the_newest_version_is_read(tmp_path: Path) -> None:
    for version in ("2", "10"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "saved_model.pb").write_bytes(a_saved_model(a_signature(f"paint_{version}", "photo")))
    assert holds_model(tmp_path)
    assert list(inspect_model(tmp_path).signatures) == ["paint_10"]


def test_all_of_it_is_printed_as_json(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(a_saved_model(a_signature("paint", "photo")))
    answer = json.loads(CliRunner().invoke(app, ["inspect", str(tmp_path), "--json"]).stdout)
    assert answer["kind"] == "saved_model"
    assert answer["inputs"] == [{"name": "photo", "dtype": "float32", "shape": [None, 64, 64, 3], "why": ""}]


def test_a_saved_model_of_two_signatures_asks_which_and_one_of_none_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(a_saved_model(a_signature("day", "a"), a_signature("night", "b")))
    assert "source.signature: one of day, night." in inspect_model(tmp_path).needs
    (tmp_path / "saved_model.pb").write_bytes(a_saved_model())
    assert "signatures=function" in inspect_model(tmp_path).needs[0]


def test_a_second_picture_of_a_signature_is_named_as_the_graph_names_it(tmp_path: Path) -> None:
    ends = b"".join(
        field(1, field(1, name.encode()) + field(2, field(1, tensor.encode()) + number(2, FLOAT) + field(3, SIZE)))
        for name, tensor in (("content", "serving_default_content:0"), ("style", "serving_default_style:0"))
    )
    (tmp_path / "saved_model.pb").write_bytes(a_saved_model(field(1, b"serving_default") + field(2, ends)))
    found = inspect_model(tmp_path)
    assert found.inputs[0].name == "content"
    assert [tensor.name for tensor in found.further_inputs] == ["serving_default_style"]
