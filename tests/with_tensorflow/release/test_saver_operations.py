"""A SavedModel with variables is taken; one whose saver anything else can run is not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tendies_ops.errors import UntrustedModelError
from tendies_ops.graphs import operations_of, require_computing_model
from tests.support.real_shift import save_model

Change = Callable[[Any], None]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    directory = tmp_path_factory.mktemp("saver") / "model"
    save_model(directory, 3)
    return (directory / "saved_model.pb").read_bytes()


def changed(saved: bytes, directory: Path, change: Change) -> Path:
    from tensorflow.core.protobuf import saved_model_pb2

    model = saved_model_pb2.SavedModel.FromString(saved)
    change(model.meta_graphs[0])
    directory.mkdir(exist_ok=True)
    (directory / "saved_model.pb").write_bytes(model.SerializeToString())
    return directory


def test_a_model_with_variables_is_taken(saved: bytes, tmp_path: Path) -> None:
    directory = changed(saved, tmp_path / "m", lambda _: None)
    require_computing_model(directory)
    assert not {"SaveV2", "RestoreV2"} & operations_of(directory).keys()


def leads_a_signature_to_saving(meta: Any) -> None:
    meta.signature_def["serving_default"].outputs["output_bytes"].name = meta.saver_def.save_tensor_name


def feeds_a_node_with_what_saving_returns(meta: Any) -> None:
    meta.graph_def.node.add(name="sly", op="Identity", input=[meta.saver_def.save_tensor_name])


def waits_for_restoring(meta: Any) -> None:
    meta.graph_def.node.add(name="sly", op="NoOp", input=["^" + meta.saver_def.restore_op_name])


def calls_what_saves(meta: Any) -> None:
    name = meta.saver_def.save_tensor_name.partition(":")[0]
    saver = next(node for node in meta.graph_def.node if node.name == name)
    copy = meta.graph_def.node.add()
    copy.CopyFrom(saver)
    copy.name = "sly"


def runs_saving_when_loaded(meta: Any) -> None:
    meta.collection_def["saved_model_main_op"].node_list.value.append(meta.saver_def.save_tensor_name.partition(":")[0])


def restores_by_what_saves(meta: Any) -> None:
    meta.saver_def.restore_op_name = meta.saver_def.save_tensor_name.partition(":")[0]


def swaps_saving_and_restoring(meta: Any) -> None:
    save, restore = meta.saver_def.save_tensor_name, meta.saver_def.restore_op_name
    meta.saver_def.save_tensor_name, meta.saver_def.restore_op_name = restore + ":0", save.partition(":")[0]


@pytest.mark.parametrize(
    "change",
    [
        leads_a_signature_to_saving,
        feeds_a_node_with_what_saving_returns,
        waits_for_restoring,
        calls_what_saves,
        runs_saving_when_loaded,
        restores_by_what_saves,
        swaps_saving_and_restoring,
    ],
)
def test_a_saver_that_something_else_can_run_is_refused(saved: bytes, tmp_path: Path, change: Change) -> None:
    with pytest.raises(UntrustedModelError, match=r"SaveV2|RestoreV2"):
        require_computing_model(changed(saved, tmp_path / "m", change))


def test_a_file_that_is_read_while_restoring_is_refused(saved: bytes, tmp_path: Path) -> None:
    def reads(meta: Any) -> None:
        restore = next(one for one in meta.graph_def.library.function if "restore" in one.signature.name)
        restore.node_def.add(name="sly", op="ReadFile")

    with pytest.raises(UntrustedModelError, match="ReadFile"):
        require_computing_model(changed(saved, tmp_path / "m", reads))
