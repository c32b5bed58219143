"""Specs whose builder, network, golden pictures or keys are wrong."""

from __future__ import annotations

import json
from pathlib import Path

from tests.with_tensorflow.export.broken_inputs import Broken, case, tf1, tf2


@case
def tf1_checkpoint_without_a_graph(small: Path, tmp: Path) -> Broken:
    return {"model_name": "broken", "source": {"checkpoint": str(small / "tf1")}}, "Give source.builder"


@case
def tf2_checkpoint_without_a_builder(small: Path, tmp: Path) -> Broken:
    return {"model_name": "broken", "source": {"checkpoint": str(small / "tf2")}}, "Give source.builder"


@case
def builder_raises(small: Path, tmp: Path) -> Broken:
    return tf1(small / "tf1", "raises"), "raised ValueError: ngf must be positive"


@case
def builder_without_return(small: Path, tmp: Path) -> Broken:
    return tf1(small / "tf1", "returns_nothing"), "returned nothing"


@case
def builder_returns_text(small: Path, tmp: Path) -> Broken:
    return tf1(small / "tf1", "returns_text"), "returned str"


@case
def builder_returns_an_empty_dict(small: Path, tmp: Path) -> Broken:
    return tf1(small / "tf1", "returns_empty"), "empty dict"


@case
def builder_of_another_name(small: Path, tmp: Path) -> Broken:
    return tf1(small / "tf1", "grahp"), "Did you mean `graph`?"


@case
def builder_file_missing(small: Path, tmp: Path) -> Broken:
    return tf1(small / "tf1") | {"source": {"checkpoint": str(small / "tf1"), "builder": "gone.py:f"}}, "gone.py"


@case
def builder_with_a_syntax_error(small: Path, tmp: Path) -> Broken:
    (tmp / "bad.py").write_text("def f(:\n")
    return tf1(small / "tf1") | {
        "source": {"checkpoint": str(small / "tf1"), "builder": f"{tmp}/bad.py:f"}
    }, "is not Python"


@case
def builder_module_not_installed(small: Path, tmp: Path) -> Broken:
    source = {"checkpoint": str(small / "tf1"), "builder": "no_such_module_anywhere:f"}
    return {"model_name": "broken", "source": source}, "no module named 'no_such_module_anywhere'"


@case
def builder_with_an_unknown_argument(small: Path, tmp: Path) -> Broken:
    return tf1(small / "tf1", builder_arguments={"filtres": 3}), "filtres"


@case
def tf2_builder_returns_a_list(small: Path, tmp: Path) -> Broken:
    return tf2(small, "not_a_model"), "returned list"


@case
def channels_that_the_network_does_not_take(small: Path, tmp: Path) -> Broken:
    spec = {"model_name": "broken", "source": {"checkpoint": str(small / "frozen.pb")}}
    return spec | {"contract": {"input": {"channels": 1}}}, "takes 3 channels"


@case
def network_that_gives_nan(small: Path, tmp: Path) -> Broken:
    return tf1(small / "tf1", "nan"), "gives NaN"


@case
def network_that_needs_another_size(small: Path, tmp: Path) -> Broken:
    return tf1(small / "tf1", "sizes_that_need_a_multiple_of_8"), "contract.input.multiple_of"


@case
def network_that_mixes_the_batch(small: Path, tmp: Path) -> Broken:
    return tf1(small / "tf1", "graph_that_mixes_the_batch"), "batch_size: 1"


@case
def an_output_without_a_batch_dimension(small: Path, tmp: Path) -> Broken:
    return tf1(small / "tf1", "returns_a_constant_graph"), "single number"


@case
def golden_image_that_is_none(small: Path, tmp: Path) -> Broken:
    (tmp / "golden.png").write_text(json.dumps({}))
    return tf1(small / "tf1") | {"golden": [str(tmp / "golden.png")]}, "is not a PNG or JPEG"


@case
def golden_image_missing(small: Path, tmp: Path) -> Broken:
    return tf1(small / "tf1") | {"golden": [str(tmp / "gone.png")]}, "gone.png"


@case
def unknown_key_in_the_spec(small: Path, tmp: Path) -> Broken:
    return tf1(small / "tf1", buidler="x"), "did you mean `builder`?"


@case
def value_of_the_wrong_type(small: Path, tmp: Path) -> Broken:
    return tf1(small / "tf1") | {"tolerance": "small"}, "tolerance"
