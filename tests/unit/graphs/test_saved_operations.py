"""The operations of a SavedModel are read from its bytes, all of them, whatever form they are in."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from tendies_ops.cli.main import app
from tendies_ops.errors import UntrustedModelError
from tendies_ops.graphs import operations_of, refused_operations, require_computing_model
from tests.support.candidates import make_candidate, write_manifest
from tests.support.protos import field
from tests.support.saved_graphs import function, graph_of


def write(folder: Path, data: bytes) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "saved_model.pb").write_bytes(data)
    return folder


def test_nodes_and_bodies_of_functions_are_counted_and_calls_of_functions_are_not(tmp_path: Path) -> None:
    library = field(1, function("inner", "Mul", "ReadFile"))
    data = graph_of("Const", "Const", "inner", library=library)
    assert operations_of(write(tmp_path / "m", data)) == {"Const": 2, "Mul": 1, "ReadFile": 1}


def test_a_second_graph_that_overrides_the_first_is_counted_as_well(tmp_path: Path) -> None:
    data = graph_of("WriteFile") + graph_of("Const")
    assert operations_of(write(tmp_path / "m", data)) == {"Const": 1, "WriteFile": 1}
    twice = b"\x08\x01" + field(2, field(2, field(1, field(2, b"WriteFile", b"Const"))))
    assert operations_of(write(tmp_path / "m", twice)) == {"Const": 1, "WriteFile": 1}


@pytest.mark.parametrize("damage", [b"\x12", b"\x12\xff\xff\xff\xff\x0f", b"\xff" * 20, b"\x13", b"graph"])
def test_a_graph_that_cannot_be_read_is_refused(tmp_path: Path, damage: bytes) -> None:
    with pytest.raises(UntrustedModelError, match="cannot be checked"):
        require_computing_model(write(tmp_path / "m", graph_of("Const") + damage))


@pytest.mark.parametrize("name", ["saved_model.cpb", "saved_model.pbtxt"])
def test_a_second_form_of_the_graph_is_refused(tmp_path: Path, name: str) -> None:
    (write(tmp_path / "m", graph_of("Const")) / name).write_bytes(b"")
    with pytest.raises(UntrustedModelError, match=name):
        require_computing_model(tmp_path / "m")


def test_each_operation_is_refused_with_its_reason_and_unknown_ones_too() -> None:
    refused = refused_operations(
        ["ReadFile", "PyFunc", "Conv2D", "Vendor>Op", "DebugIdentityV3", "RestoreV2", "RpcCall"]
    )
    assert refused == {
        "DebugIdentityV3": "prints, or writes for a debugger or TensorBoard",
        "PyFunc": "runs Python code",
        "ReadFile": "reads or writes files",
        "RestoreV2": "reads or writes checkpoints",
        "RpcCall": "talks to other processes or devices",
        "Vendor>Op": "is not known to tendies as a computation",
    }
    assert refused_operations(["ReadFile", "Vendor>Op"], ["ReadFile", "Vendor>Op"]) == {}


def hostile_export(tmp_path: Path) -> Path:
    directory = make_candidate(tmp_path / "export")
    write(directory, graph_of("Const", "WriteFile"))
    write_manifest(directory)
    return directory


@pytest.mark.parametrize("check", ["--check", "--no-check"])
def test_a_published_directory_with_a_hostile_graph_is_refused_whatever_its_manifest_says(
    tmp_path: Path, check: str
) -> None:
    base = tmp_path / "models"
    arguments = ["publish", str(hostile_export(tmp_path)), "--model-base-path", str(base), check]
    done = CliRunner().invoke(app, arguments)
    assert isinstance(done.exception, UntrustedModelError)
    assert "WriteFile" in str(done.exception)
    assert [path.name for path in base.iterdir() if path.name.isdecimal()] == []


def test_an_operation_that_the_command_line_allows_is_published(tmp_path: Path) -> None:
    base = tmp_path / "models"
    arguments = ["publish", str(hostile_export(tmp_path)), "--model-base-path", str(base), "--no-check"]
    CliRunner().invoke(app, [*arguments, "--allow-operation", "WriteFile"])
    assert (base / "1").is_dir()
