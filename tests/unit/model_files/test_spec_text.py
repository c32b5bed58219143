"""A drafted spec reads back as the contract that was chosen, and says above each key how it was found out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tendies_ops.model_files import ModelFile, Tensor
from tendies_ops.model_files.draft import Proposal, Trial, pictures_in
from tendies_ops.model_files.spec_text import spec_text
from tendies_ops.spec import Contract, SourceSpec, load_spec

CONTRACTS: list[dict[str, Any]] = [
    {"input": {"range": {"low": 0, "high": 255}}, "output": {"range": {"low": -1, "high": 1}, "scale": 2}},
    {"input": {"color_order": "bgr", "subtract_mean": [1, 2, 3]}, "output": {"activation": "sigmoid"}},
    {"input": {"channels": 1, "size": {"height": 8, "width": 9}, "resize": "bilinear"}},
    {"input": {"dtype": "uint8", "batch_size": 1}, "output": {"kind": "detection"}},
    {"outputs": {"picture": {}, "scores": {"kind": "classification", "activation": "softmax"}}},
    {"extra_inputs": {"style": {"tensor": "style", "one_hot": 3}}},
]


def written(tmp_path: Path, contract: Contract, **marks: str) -> Path:
    (tmp_path / "models").mkdir(exist_ok=True)
    model = tmp_path / "models" / "painter.pb"
    found = ModelFile(model, "a frozen graph", "frozen_graph", outputs=(Tensor("a", "?", None), Tensor("b", "?", None)))
    source = SourceSpec(checkpoint=model, builder=f"{tmp_path}/code/build.py:make", output_tensors={"output": "a"})
    proposals = (Proposal("another", "", Contract(), {}, ()), Proposal("this", "", contract, marks, ()))
    spec = tmp_path / "specs" / "painter.yaml"
    spec.parent.mkdir(exist_ok=True)
    spec.write_text(spec_text(found, Trial(source, proposals, (), 9), 1, spec, ["Drafted. " * 30]))
    return spec


@pytest.mark.parametrize("contract", CONTRACTS)
def test_the_contract_that_was_chosen_is_read_back(contract: dict[str, Any], tmp_path: Path) -> None:
    wanted = Contract.model_validate(contract)
    spec = load_spec(written(tmp_path, wanted))
    assert spec.contract.model_dump(exclude={"output"} if wanted.outputs else None) == wanted.model_dump(
        exclude={"output"} if wanted.outputs else None
    )
    assert spec.source.local_checkpoint.resolve() == tmp_path / "models" / "painter.pb"


def test_paths_are_relative_to_the_spec_and_reasons_stand_above_their_keys(tmp_path: Path) -> None:
    marks = {"input.range": "measured: so it is", "output.range": "assumed"}
    text = written(tmp_path, Contract(), **marks).read_text()
    assert "checkpoint: ../models/painter.pb" in text
    assert "builder: ../code/build.py:make" in text
    assert "    # measured: so it is\n    range: {low: 0.0, high: 1.0}" in text
    assert "# assumed, the likeliest. Others: b ? any shape\n  output_tensors:" in text
    assert max(map(len, text.splitlines())) <= 112


def test_four_pictures_are_taken_from_all_over_a_folder(tmp_path: Path) -> None:
    for number in range(10):
        (tmp_path / f"{number}.png").touch()
    (tmp_path / ".hidden.png").touch()
    (tmp_path / "notes.txt").touch()
    assert [file.name for file in pictures_in(tmp_path)] == ["0.png", "2.png", "4.png", "6.png"]
