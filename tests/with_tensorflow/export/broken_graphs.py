"""Graphs, saved models and Keras files that cannot be exported."""

from __future__ import annotations

import os
from pathlib import Path

from tests.with_tensorflow.export.broken_inputs import Broken, case, cut, tf1
from tests.with_tensorflow.export.small_sources import copy_of


@case
def keras_file_damaged(small: Path, tmp: Path) -> Broken:
    cut(copy_of(small / "model.keras", tmp / "model.keras"))
    return {"model_name": "broken", "source": {"checkpoint": str(tmp / "model.keras")}}, "model.keras"


@case
def keras_file_with_a_builder_that_raises(small: Path, tmp: Path) -> Broken:
    return tf1(small / "model.keras", "raises"), "raised TypeError: raises() missing 1 required"


@case
def saved_model_that_is_none(small: Path, tmp: Path) -> Broken:
    return {
        "model_name": "broken",
        "source": {"checkpoint": str(small / "tf1"), "kind": "saved_model"},
    }, "saved_model.pb"


@case
def h5_with_weights_only(small: Path, tmp: Path) -> Broken:
    return {
        "model_name": "broken",
        "source": {"checkpoint": str(small / "only.weights.h5")},
    }, "holds weights and no architecture"


@case
def h5_that_is_no_hdf5(small: Path, tmp: Path) -> Broken:
    (tmp / "model.h5").write_bytes(b"not hdf5 at all")
    return {"model_name": "broken", "source": {"checkpoint": str(tmp / "model.h5")}}, "neither a .keras archive nor"


@case
def frozen_graph_that_is_none(small: Path, tmp: Path) -> Broken:
    (tmp / "graph.pb").write_bytes(os.urandom(300))
    return {"model_name": "broken", "source": {"checkpoint": str(tmp / "graph.pb")}}, "holds no graph"


@case
def frozen_graph_with_variables(small: Path, tmp: Path) -> Broken:
    return {"model_name": "broken", "source": {"checkpoint": str(small / "graph.pb")}}, "is not frozen"


@case
def wrong_input_tensor(small: Path, tmp: Path) -> Broken:
    source = {"checkpoint": str(small / "frozen.pb"), "input_tensor": "imag:0"}
    return {"model_name": "broken", "source": source}, "Nearest: image"


@case
def wrong_output_tensor(small: Path, tmp: Path) -> Broken:
    source = {"checkpoint": str(small / "frozen.pb"), "output_tensors": {"output": "G/conv/outt"}}
    return {"model_name": "broken", "source": source}, "G/conv/out"


@case
def constant_for_an_unknown_node(small: Path, tmp: Path) -> Broken:
    return tf1(small / "tf1", constants={"training": True}), "source.constants: the graph has no node `training`"


@case
def placeholder_left_without_a_value(small: Path, tmp: Path) -> Broken:
    return tf1(small / "tf1", "graph_with_dropout"), "The graph also needs is_training"


@case
def saved_model_without_that_signature(small: Path, tmp: Path) -> Broken:
    source = {"checkpoint": str(small / "saved_tf2"), "signature": "serve"}
    return {"model_name": "broken", "source": source}, "no signature `serve`"


@case
def saved_model_without_those_tags(small: Path, tmp: Path) -> Broken:
    source = {"checkpoint": str(small / "saved_tf2"), "tags": ["train"]}
    return {"model_name": "broken", "source": source}, "no graph with the tags train"


@case
def saved_model_cut_short(small: Path, tmp: Path) -> Broken:
    cut(copy_of(small / "saved_tf2", tmp / "saved") / "saved_model.pb")
    return {"model_name": "broken", "source": {"checkpoint": str(tmp / "saved")}}, "saved_model.pb"


@case
def saved_model_with_damaged_variables(small: Path, tmp: Path) -> Broken:
    folder = copy_of(small / "saved_tf2", tmp / "saved")
    cut(next((folder / "variables").glob("*.data-*")))
    return {"model_name": "broken", "source": {"checkpoint": str(folder)}}, "cannot be restored"
