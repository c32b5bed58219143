"""
What a new configuration may change.

Source: tensorflow/serving model_servers/server_core.cc, ReloadConfig and UpdateModelVersionLabelMap.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tendies_ops.server.flags import Flags
from tendies_ops.server.graph.servable import Servable
from tendies_ops.server.status_codes import StatusError
from tendies_ops.server.versions.configured_models import Models
from tendies_ops.server.versions.manager import Manager
from tendies_ops.server.versions.version_source import ModelConfig, VersionSource


def nothing_loads(model_name: str, version: int, version_dir: Path) -> Servable:
    raise StatusError("NOT_FOUND", str(version_dir))


@pytest.fixture
def models() -> Iterator[Models]:
    manager = Manager(nothing_loads, Flags(max_num_load_retries=0))
    manager.start()
    yield Models(manager, VersionSource(manager.set_aspired), allow_unavailable=True)
    manager.stop()


def labelled(**labels: int) -> dict[str, ModelConfig]:
    return {"m": ModelConfig("m", "/m", labels=labels)}


def test_an_empty_config_file_unloads_no_model(models: Models) -> None:
    models.apply(labelled())
    with pytest.raises(StatusError, match="only legal to transition from one ModelConfigList to another"):
        models.apply(None)
    assert models.names() == ["m"]


def test_a_server_may_start_without_a_list_and_get_one_later(models: Models) -> None:
    models.apply(None)
    assert models.names() == []
    models.apply(labelled())
    assert models.names() == ["m"]


def test_an_empty_list_unloads_every_model(models: Models) -> None:
    models.apply(labelled())
    models.apply({})
    assert models.names() == []


def test_a_label_may_stay_at_an_unloaded_version_but_not_move_to_one(models: Models) -> None:
    models.apply(labelled(stable=1))
    models.apply(labelled(stable=1, canary=2))
    assert models.version_of_label("m", "stable") == 1
    with pytest.raises(StatusError, match="assign label to version 3 of model m, which is not currently available"):
        models.apply(labelled(stable=3))
