"""Over the wire: the exports in a Model Server answer over REST what they promise, warm-up and all verbs included."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests

from tendies_ops.errors import ParityError
from tendies_ops.export.live import compare_with_server
from tendies_ops.spec import read_manifest
from tests.support.model_server import RunningServer, start_model_server
from tests.support.pixels import png, random_pixels
from tests.with_tensorflow.export.exported import Exported, ExportHere
from tests.with_tensorflow.export.test_sources import CONTRACT, SOURCES, small_spec

INPUT = CONTRACT["input"]
OUTPUTS: dict[str, tuple[str, dict[str, Any]]] = {
    "picture": ("graph", CONTRACT["output"]),
    "numbers": ("graph", {"kind": "tensor"}),
    "classes": ("classifier", {"kind": "classification", "labels": ["cat", "dog", "fish"], "top_k": 2}),
    "score": ("scorer", {"kind": "regression"}),
    "pair": ("two_pictures", CONTRACT["output"]),
}


@pytest.fixture(scope="module")
def exports(small_sources: Path, export_here: ExportHere) -> dict[str, Exported]:
    made = {}
    for name, (builder, output) in OUTPUTS.items():
        source = {"checkpoint": "tf1", "builder": builder}
        spec = small_spec(small_sources, source, {"input": INPUT, "output": output})
        made[name] = export_here(spec.model_copy(update={"model_name": name}))
    return made


@pytest.fixture(scope="module")
def server(exports: dict[str, Exported], tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    base = tmp_path_factory.mktemp("models")
    entries = []
    for name, exported in exports.items():
        shutil.copytree(exported.directory, base / name / "1")
        entries.append(f'config {{ name: "{name}" base_path: "{base / name}" model_platform: "tensorflow" }}')
    config = base / "models.config"
    config.write_text(f"model_config_list {{ {' '.join(entries)} }}")
    with start_model_server(f"--model_config_file={config}") as running:
        for name in exports:
            running.wait_for(name, 1, timeout_s=120)
        yield running


@pytest.mark.parametrize("name", OUTPUTS)
def test_what_is_served_is_what_the_manifest_promises(
    name: str, exports: dict[str, Exported], server: RunningServer
) -> None:
    entries = compare_with_server(exports[name].directory, server.url)

    assert {entry.against for entry in entries} == {"server"}
    assert len(entries) >= len(exports[name].manifest.golden)
    assert max(entry.max_abs for entry in entries) <= 1e-4
    assert len(read_manifest(exports[name].directory).parity) == len(exports[name].manifest.parity) + len(entries)


def test_a_server_with_another_model_of_that_name_fails_the_proof(
    small_sources: Path, export_here: ExportHere, server: RunningServer
) -> None:
    spec = small_spec(
        small_sources, SOURCES["frozen_graph"], {"input": INPUT, "output": {"range": {"low": -2, "high": 1}}}
    )
    other = export_here(spec.model_copy(update={"model_name": "picture"}))
    with pytest.raises(ParityError, match="server"):
        compare_with_server(other.directory, server.url)


def post(server: RunningServer, model: str, verb: str, body: dict[str, Any]) -> Any:
    answer = requests.post(f"{server.url}/v1/models/{model}:{verb}", json=body, timeout=60)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_classify_and_regress_requests_are_answered(exports: dict[str, Exported], server: RunningServer) -> None:
    file = png(random_pixels(10, 12))
    examples = [{"input_bytes": {"b64": base64.b64encode(file).decode()}}]

    classes = post(server, "classes", "classify", {"signature_name": "classify", "examples": examples})["results"][0]
    scores = exports["classes"].send(file)
    assert [label for label, _ in classes] == [label.decode() for label in scores["classes"][0]]
    assert np.allclose([score for _, score in classes], scores["scores"][0], atol=1e-5)

    result = post(server, "score", "regress", {"signature_name": "regress", "examples": examples})["results"]
    assert np.allclose(result, exports["score"].send(file)["output"], atol=1e-5)


def test_a_picture_that_is_too_large_is_refused_over_rest_with_the_limit(server: RunningServer) -> None:
    from tests.with_tensorflow.export.test_contract import bomb

    instances = [{"b64": base64.b64encode(bomb(20000)).decode()}]
    answer = requests.post(f"{server.url}/v1/models/picture:predict", json={"instances": instances}, timeout=60)
    assert answer.status_code == 400
    assert "at most 64" in answer.json()["error"]
