from __future__ import annotations

from pathlib import Path

import pytest

from tendies_ops.dev.error import DevError
from tendies_ops.dev.model_servers import ModelServers, models_by_port
from tendies_ops.spec import ModelSpec


def spec(name: str, **release: object) -> ModelSpec:
    return ModelSpec.model_validate({"model_name": name, "source": {"checkpoint": "x"}, "release": release})


def test_models_without_servers_share_the_default_port_and_have_a_folder_each(tmp_path: Path) -> None:
    found = models_by_port([spec("a"), spec("b", model_base_path="/elsewhere/b")], tmp_path, 9501)

    assert found == {9501: {"a": tmp_path / "models" / "a", "b": Path("/elsewhere/b")}}


def test_a_folder_without_models_has_a_server_at_the_default_port_all_the_same(tmp_path: Path) -> None:
    assert models_by_port([], tmp_path, 9501) == {9501: {}}


@pytest.mark.parametrize("server", ["http://127.0.0.1:7001", "localhost:7001"])
def test_a_server_on_this_machine_that_a_spec_names_is_started_at_its_port(tmp_path: Path, server: str) -> None:
    assert models_by_port([spec("a", servers=[server])], tmp_path, 9501)[7001] == {"a": tmp_path / "models" / "a"}


@pytest.mark.parametrize("servers", [["http://10.0.0.1:8501"], ["http://127.0.0.1:1", "http://127.0.0.1:2"]])
def test_servers_elsewhere_and_several_replicas_are_left_to_their_owner(tmp_path: Path, servers: list[str]) -> None:
    assert models_by_port([spec("a", servers=servers)], tmp_path, 9501) == {9501: {}}


def test_without_tensorflow_the_error_names_the_extra_and_the_other_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tendies_ops.dev.model_servers.find_spec", lambda _name: None)

    with pytest.raises(DevError, match=r"\[tensorflow\].*--no-model-server"):
        ModelServers(tmp_path, 9501, {}).serve([])
