from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.model_server import RunningServer, start_model_server


@pytest.fixture(scope="module")
def server(example_models: Path) -> Iterator[RunningServer]:
    with start_model_server("--model_name=m", f"--model_base_path={example_models}") as running:
        yield running


def ask(server: RunningServer, verb: str, body: dict[str, Any]) -> tuple[int, str]:
    answer = requests.post(f"{server.url}/v1/models/m:{verb}", json=body, timeout=30)
    return answer.status_code, answer.text


def test_classify_answers_labels_and_scores(server: RunningServer) -> None:
    status, text = ask(server, "classify", {"examples": [{"x": 0.25}, {"x": [1.0]}]})
    assert status == 200
    assert text == ('{\n    "results": [[["low", 0.75], ["high", 0.25]], [["low", 0.0], ["high", 1.0]]\n    ]\n}')


def test_regress_answers_a_number_for_each_example(server: RunningServer) -> None:
    body = {"signature_name": "regress", "context": {"x": 3.5}, "examples": [{}, {"x": 1.5}]}
    assert ask(server, "regress", body) == (200, '{\n    "results": [7.0, 3.0]\n}')


@pytest.mark.parametrize(
    ("verb", "body", "message"),
    [
        ("regress", {"examples": [{"x": 1.0}]}, "Expected one output Tensor."),
        ("classify", {"signature_name": "nope", "examples": [{}]}, "No signature was found with the name: nope"),
        (
            "classify",
            {"signature_name": "regress", "examples": [{}]},
            "Expected classification signature outputs to contain",
        ),
        ("classify", {"examples": [{"x": "text"}]}, "Data types don't match"),
    ],
)
def test_what_does_not_fit_is_refused(server: RunningServer, verb: str, body: dict[str, Any], message: str) -> None:
    status, text = ask(server, verb, body)
    assert status == 400
    assert message in text


def test_metrics_and_readiness(server: RunningServer) -> None:
    assert requests.get(f"{server.url}/readyz", timeout=10).text == "ready\n"
    assert requests.get(f"{server.url}/monitoring/prometheus/metrics", timeout=10).status_code == 404
