"""Inputs that cannot be exported: what is wrong with each, and words that its error must contain."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from small_sources import BUILDERS, WEIGHTS, copy_of, write_tf1_checkpoint

Case = Callable[[Path, Path], tuple[dict[str, Any], str]]
CASES: dict[str, Case] = {}


def case(function: Case) -> Case:
    CASES[function.__name__] = function
    return function


def tf1(checkpoint: Path, builder: str = "graph", **source: Any) -> dict[str, Any]:
    source = {"checkpoint": str(checkpoint), "builder": f"{BUILDERS}:{builder}", **source}
    return {"model_name": "broken", "source": source, "contract": {"output": {"range": {"low": -1, "high": 1}}}}


def tf2(small: Path, builder: str = "model", **source: Any) -> dict[str, Any]:
    return tf1(small / "tf2", builder, **source)


def damaged(small: Path, tmp: Path, name: str, damage: Callable[[Path], object]) -> Path:
    folder = copy_of(small / "tf1", tmp / "tf1")
    damage(folder / name)
    return folder


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


DATA = "model.ckpt-7.data-00000-of-00001"


@case
def truncated_shard(small, tmp):
    return tf1(damaged(small, tmp, DATA, cut)), "cannot be read"


@case
def missing_shard(small, tmp):
    return tf1(damaged(small, tmp, DATA, Path.unlink)), "is not whole"


@case
def missing_index(small, tmp):
    return tf1(damaged(small, tmp, "model.ckpt-7.index", Path.unlink)), "which is not there"


@case
def missing_index_of_a_prefix(small, tmp):
    return tf1(damaged(small, tmp, "model.ckpt-7.index", Path.unlink) / "model.ckpt-7"), "no model.ckpt-7.index"


@case
def garbage_index(small, tmp):
    return tf1(damaged(small, tmp, "model.ckpt-7.index", lambda p: p.write_bytes(b"x" * 500))), "cannot be read"


@case
def empty_directory(small, tmp):
    (tmp / "empty").mkdir()
    return tf1(tmp / "empty"), "holds no checkpoint"


@case
def no_such_checkpoint(small, tmp):
    return tf1(tmp / "nowhere" / "model.ckpt"), "does not exist either"


@case
def state_file_names_what_is_gone(small, tmp):
    (tmp / "gone").mkdir()
    (tmp / "gone" / "checkpoint").write_text('model_checkpoint_path: "/old/place/model.ckpt-9"\n')
    return tf1(tmp / "gone"), "/old/place/model.ckpt-9, which is not there"


@case
def state_file_without_a_name(small, tmp):
    (tmp / "odd").mkdir()
    (tmp / "odd" / "checkpoint").write_text("hello\n")
    return tf1(tmp / "odd"), "names no checkpoint"


@case
def unreadable_file(small, tmp):
    loop = tmp / "model.keras"  # a link to itself: unreadable for root too
    loop.symlink_to(loop)
    return {"model_name": "broken", "source": {"checkpoint": str(loop)}}, "model.keras"


@case
def variable_of_another_shape(small, tmp):
    return tf1(small / "tf1", builder_arguments={"filters": 4}), "G/conv/weights is [3, 3, 3, 4] in the graph"


@case
def variable_of_another_name(small, tmp):
    return tf1(small / "tf1", "graph_under_another_name"), "nearest in the checkpoint: G/conv/"


@case
def variable_map_that_is_no_pattern(small, tmp):
    return tf1(small / "tf1", variable_map={"G/(": "x"}), "source.variable_map"


@case
def nan_weights(small, tmp):
    write_tf1_checkpoint(tmp / "nan" / "model.ckpt-1", weights=np.where(WEIGHTS > 0.5, np.nan, WEIGHTS))
    return tf1(tmp / "nan"), "NaN or infinite"


@case
def tf1_checkpoint_without_a_graph(small, tmp):
    return {"model_name": "broken", "source": {"checkpoint": str(small / "tf1")}}, "Give source.builder"


@case
def tf2_checkpoint_without_a_builder(small, tmp):
    return {"model_name": "broken", "source": {"checkpoint": str(small / "tf2")}}, "Give source.builder"


@case
def builder_raises(small, tmp):
    return tf1(small / "tf1", "raises"), "raised ValueError: ngf must be positive"


@case
def builder_without_return(small, tmp):
    return tf1(small / "tf1", "returns_nothing"), "returned nothing"


@case
def builder_returns_text(small, tmp):
    return tf1(small / "tf1", "returns_text"), "returned str"


@case
def builder_returns_an_empty_dict(small, tmp):
    return tf1(small / "tf1", "returns_empty"), "empty dict"


@case
def builder_of_another_name(small, tmp):
    return tf1(small / "tf1", "grahp"), "Did you mean `graph`?"


@case
def builder_file_missing(small, tmp):
    return tf1(small / "tf1") | {"source": {"checkpoint": str(small / "tf1"), "builder": "gone.py:f"}}, "gone.py"


@case
def builder_with_a_syntax_error(small, tmp):
    (tmp / "bad.py").write_text("def f(:\n")
    return tf1(small / "tf1") | {
        "source": {"checkpoint": str(small / "tf1"), "builder": f"{tmp}/bad.py:f"}
    }, "is not Python"


@case
def builder_module_not_installed(small, tmp):
    source = {"checkpoint": str(small / "tf1"), "builder": "no_such_module_anywhere:f"}
    return {"model_name": "broken", "source": source}, "no module named 'no_such_module_anywhere'"


@case
def builder_with_an_unknown_argument(small, tmp):
    return tf1(small / "tf1", builder_arguments={"filtres": 3}), "filtres"


@case
def tf2_variable_of_another_name(small, tmp):
    return tf2(small, "renamed_model"), "kernel"


@case
def tf2_variable_of_another_shape(small, tmp):
    return tf2(small, builder_arguments={"filters": 5}), "[3, 3, 3, 5] in the model"


@case
def tf2_builder_returns_a_list(small, tmp):
    return tf2(small, "not_a_model"), "returned list"


@case
def keras_file_damaged(small, tmp):
    cut(copy_of(small / "model.keras", tmp / "model.keras"))
    return {"model_name": "broken", "source": {"checkpoint": str(tmp / "model.keras")}}, "model.keras"


@case
def h5_with_weights_only(small, tmp):
    return {
        "model_name": "broken",
        "source": {"checkpoint": str(small / "only.weights.h5")},
    }, "holds weights and no architecture"


@case
def h5_that_is_no_hdf5(small, tmp):
    (tmp / "model.h5").write_bytes(b"not hdf5 at all")
    return {"model_name": "broken", "source": {"checkpoint": str(tmp / "model.h5")}}, "neither a .keras archive nor"


@case
def frozen_graph_that_is_none(small, tmp):
    (tmp / "graph.pb").write_bytes(os.urandom(300))
    return {"model_name": "broken", "source": {"checkpoint": str(tmp / "graph.pb")}}, "holds no graph"


@case
def frozen_graph_with_variables(small, tmp):
    return {"model_name": "broken", "source": {"checkpoint": str(small / "graph.pb")}}, "is not frozen"


@case
def wrong_input_tensor(small, tmp):
    source = {"checkpoint": str(small / "frozen.pb"), "input_tensor": "imag:0"}
    return {"model_name": "broken", "source": source}, "Nearest: image"


@case
def wrong_output_tensor(small, tmp):
    source = {"checkpoint": str(small / "frozen.pb"), "output_tensors": {"output": "G/conv/outt"}}
    return {"model_name": "broken", "source": source}, "G/conv/out"


@case
def constant_for_an_unknown_node(small, tmp):
    return tf1(small / "tf1", constants={"training": True}), "source.constants: the graph has no node `training`"


@case
def placeholder_left_without_a_value(small, tmp):
    return tf1(small / "tf1", "graph_with_dropout"), "The graph also needs is_training"


@case
def saved_model_without_that_signature(small, tmp):
    source = {"checkpoint": str(small / "saved_tf2"), "signature": "serve"}
    return {"model_name": "broken", "source": source}, "no signature `serve`"


@case
def saved_model_without_those_tags(small, tmp):
    source = {"checkpoint": str(small / "saved_tf2"), "tags": ["train"]}
    return {"model_name": "broken", "source": source}, "no graph with the tags train"


@case
def saved_model_cut_short(small, tmp):
    cut(copy_of(small / "saved_tf2", tmp / "saved") / "saved_model.pb")
    return {"model_name": "broken", "source": {"checkpoint": str(tmp / "saved")}}, "saved_model.pb"


@case
def saved_model_with_damaged_variables(small, tmp):
    folder = copy_of(small / "saved_tf2", tmp / "saved")
    cut(next((folder / "variables").glob("*.data-*")))
    return {"model_name": "broken", "source": {"checkpoint": str(folder)}}, "cannot be restored"


@case
def channels_that_the_network_does_not_take(small, tmp):
    spec = {"model_name": "broken", "source": {"checkpoint": str(small / "frozen.pb")}}
    return spec | {"contract": {"input": {"channels": 1}}}, "takes 3 channels"


@case
def network_that_gives_nan(small, tmp):
    return tf1(small / "tf1", "nan"), "gives NaN"


@case
def network_that_needs_another_size(small, tmp):
    return tf1(small / "tf1", "sizes_that_need_a_multiple_of_8"), "contract.input.multiple_of"


@case
def network_that_mixes_the_batch(small, tmp):
    return tf1(small / "tf1", "graph_that_mixes_the_batch"), "batch_size: 1"


@case
def an_output_without_a_batch_dimension(small, tmp):
    return tf1(small / "tf1", "returns_a_constant_graph"), "single number"


@case
def golden_image_that_is_none(small, tmp):
    (tmp / "golden.png").write_text(json.dumps({}))
    return tf1(small / "tf1") | {"golden": [str(tmp / "golden.png")]}, "is no PNG or JPEG"


@case
def golden_image_missing(small, tmp):
    return tf1(small / "tf1") | {"golden": [str(tmp / "gone.png")]}, "gone.png"


@case
def unknown_key_in_the_spec(small, tmp):
    return tf1(small / "tf1", buidler="x"), "did you mean `builder`?"


@case
def value_of_the_wrong_type(small, tmp):
    return tf1(small / "tf1") | {"tolerance": "small"}, "tolerance"
