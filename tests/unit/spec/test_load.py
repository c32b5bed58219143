"""Specs that are right, and specs that are not quite."""

from __future__ import annotations

from pathlib import Path

import pytest

from tendies_ops.errors import SpecError
from tendies_ops.spec import Contract, load_spec

GOOD = """
model_name: painter
source: {checkpoint: weights/model.keras, builder: code/net.py:build, graph: graph.meta}
golden: [a.png]
"""


def write(folder: Path, text: str, name: str = "painter.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_paths_are_taken_from_the_folder_of_the_spec(tmp_path: Path) -> None:
    source = load_spec(write(tmp_path, GOOD)).source
    assert source.checkpoint == tmp_path / "weights" / "model.keras"
    assert source.builder == f"{tmp_path}/code/net.py:build"
    assert source.graph == tmp_path / "graph.meta"
    assert load_spec(tmp_path / "painter.yaml").golden == (tmp_path / "a.png",)


def test_a_builder_in_a_module_stays_a_module(tmp_path: Path) -> None:
    text = "model_name: m\nsource: {checkpoint: x, builder: 'package.net:build'}\n"
    assert load_spec(write(tmp_path, text)).source.builder == "package.net:build"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("model_name: m\nsource: {chekpoint: x}", "did you mean `checkpoint`?"),
        ("model_name: m\nsource: {checkpoint: x}\ncontract: {input: {rage: {}}}", "did you mean `range`?"),
        ("source: {checkpoint: x}", "`model_name` is missing"),
        ("model_name: 'a/b'\nsource: {checkpoint: x}", "model_name"),
        ("model_name: m\nsource: {checkpoint: x}\ncontract: {input: {channels: 2}}", "contract.input.channels"),
        ("- a list", "must be a mapping"),
        ("a: [b", "is not YAML"),
        ("", "must be a mapping"),
        ("[" * 5000, "is not YAML"),
        ("model_name: m\nsource: {checkpoint: x}\ndescription: 2024-13-01", "is not YAML: month must be in 1..12"),
        ("model_name: m\nsource: {checkpoint: x}\ncontract: {}\ncontract: {}", "found the key 'contract' twice"),
        ("model_name: m\nsource: {checkpoint: x}\ntolerance: .inf", "must be a finite number; found 'inf'"),
        (
            "model_name: m\nsource: {checkpoint: x}\ncontract: {output: {range: {low: .nan}}}",
            "contract.output.range.low",
        ),
        (
            "model_name: m\nsource: {checkpoint: x}\ncontract: {input: {range: [-1, 1]}}",
            "must be a mapping, `key: value`",
        ),
        ("model_name: m\nsource: {checkpoint: x}\ncontract:", "must be a mapping, `key: value`; found nothing"),
        ("model_name: m\nsource: {checkpoint: x}\ngolden: a.png", "`golden`: must be a list"),
        ("model_name: m\nsource: {checkpoint: x}\ncontract: {outputs: {mask: {knd: image}}}", "did you mean `kind`?"),
        ("model_name: m\nsource: {checkpoint: x}\noptimize: {rewrites: auto}", "did you mean `precision`?"),
        ("model_name: m\nsource: {checkpoint: x}\noptimize: bfloat", "must be one of float32, auto, bfloat16, float16"),
        ("model_name: m\nsource: {checkpoint: x}\nairflow: {batch_cron: daily}", "is not a cron expression"),
        ("model_name: m\nsource: {checkpoint: x}\ncontract: {output: {range: {low: 1, high: 0}}}", "must be above low"),
    ],
)
def test_a_wrong_spec_says_where_and_what(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(SpecError) as caught:
        load_spec(write(tmp_path, text))
    assert words in str(caught.value)
    assert "painter.yaml" in str(caught.value)


def test_a_mapping_may_be_taken_over_and_changed(tmp_path: Path) -> None:
    text = (
        "model_name: m\nsource: {checkpoint: x}\n"
        "contract: {outputs: {a: &a {kind: tensor, activation: sigmoid}, b: {<<: *a, activation: softmax}}}"
    )
    outputs = load_spec(write(tmp_path, text)).contract.outputs
    assert [(output.kind, output.activation) for output in outputs.values()] == [
        ("tensor", "sigmoid"),
        ("tensor", "softmax"),
    ]


def test_a_missing_spec_names_the_nearest(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    with pytest.raises(SpecError, match=r"Did you mean .*painter\.yaml"):
        load_spec(tmp_path / "paintr.yaml")


@pytest.mark.parametrize(
    ("contract", "words"),
    [
        ({"subtract_mean": [1, 2]}, "give 1 or 3"),
        ({"divide_by": [0.0]}, "must not contain 0"),
        ({"dtype": "uint8", "subtract_mean": [1]}, "omit subtract_mean"),
        ({"batch_size": 8}, "any batch"),
        ({"resize": "bilinear"}, "needs `size`"),
        ({"dtype": "uint8", "range": {"low": -1, "high": 1}}, r"omit range \(-1 to 1\)"),
    ],
)
def test_keys_that_contradict_each_other_are_refused(contract: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Contract.model_validate({"input": contract})


@pytest.mark.parametrize("name", ["image", "input_bytes", "examples", "my style"])
def test_a_further_input_has_a_name_of_its_own(name: str) -> None:
    with pytest.raises(ValueError, match=f"cannot be called '{name}'"):
        Contract.model_validate({"extra_inputs": {name: {"tensor": "style"}}})


@pytest.mark.parametrize(
    ("contract", "words"),
    [
        ({"kind": "segmentation", "format": "jpeg"}, "changes the class numbers"),
        ({"kind": "classification", "top_k": 3}, "top_k needs labels"),
        ({"kind": "classification", "labels": []}, "labels"),
        ({"kind": "segmentation", "palette": []}, "palette"),
    ],
)
def test_outputs_that_would_lose_what_they_are_for_are_refused(contract: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Contract.model_validate({"output": contract})
