"""Inputs of a type that JSON has no values for: a list without values makes a tensor all the same."""

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


def ask(server: RunningServer, **inputs: Any) -> tuple[int, Any]:
    answer = requests.post(f"{server.url}/v1/models/m:predict", json={"signature_name": "shape", **inputs}, timeout=30)
    return answer.status_code, answer.json()


@pytest.mark.parametrize(("inputs", "shape"), [([], [0]), ([[], []], [2, 0])])
def test_an_empty_column_is_run(server: RunningServer, inputs: list[Any], shape: list[int]) -> None:
    assert ask(server, inputs=inputs) == (200, {"outputs": shape})


def test_rows_without_values_are_run(server: RunningServer) -> None:
    assert ask(server, instances=[[], []]) == (200, {"predictions": [2, 0]})


def test_a_value_is_refused(server: RunningServer) -> None:
    status, answer = ask(server, inputs=[1.5])
    assert (status, answer) == (501, {"error": "Conversion of JSON Value: 1.5 to type: bfloat16"})
