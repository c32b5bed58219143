"""The pages of a run show the parameters that its pictures were made with."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

import orjson
import pytest

from tests.support.specs import add_spec
from tests.support.web_world import WebWorld
from tests.with_airflow.web.clients import Clients

MODEL = "painter"


@pytest.fixture(scope="module")
def painter(world: WebWorld) -> str:
    """Return the address of a run of a model with styles."""
    inputs: dict[str, Any] = {
        "style": {"tensor": "s", "one_hot": 26, "choices": {"monet": 9}, "default": 0},
        "strength": {"tensor": "a", "minimum": 0, "maximum": 1, "default": 1},
    }
    output = world.root / MODEL
    (output / ".tendies" / "runs" / "styled").mkdir(parents=True)
    add_spec(
        world.specs_dir,
        {
            "model_name": MODEL,
            "source": {"checkpoint": "c"},
            "contract": {"extra_inputs": inputs},
            "batch": {"input": str(world.input), "output": str(output)},
        },
    )
    lines = [
        {"run_id": "styled", "input": f"p{style}.jpg", "outcome": "done", "model_name": MODEL, "version": 1,
         "parameters": {"style": style, "strength": 0.5}}
        for style in (3, 9)
    ]  # fmt: skip
    (output / ".tendies" / "ledger.jsonl").write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
    (output / ".tendies" / "runs" / "styled" / "report.json").write_bytes(orjson.dumps({"ok": True, "done": 2}))
    return f"/tendies/runs/{MODEL}/styled"


def test_a_run_says_with_which_parameters_its_pictures_were_made(painter: str, clients: Clients) -> None:
    text = clients["viewer"].get(painter).text

    assert "strength 0.5, style with 2 values" in text
    assert "style monet (9), strength 0.5" in text


def test_a_gallery_is_filtered_by_the_parameters_that_differ(painter: str, clients: Clients) -> None:
    text = clients["viewer"].get(painter).text
    assert re.findall(r'<option value="([^"]*)"', text) == ["", "style=3", "style=9"]

    filtered = clients["viewer"].get(f"{painter}?parameter={quote('style=9')}").text
    assert "p9.jpg" in filtered
    assert "p3.jpg" not in filtered
    assert '<option value="style=9" selected>' in filtered
    assert "No picture of this run matches" in clients["viewer"].get(f"{painter}?parameter=style%3D7").text


def test_a_picture_has_its_parameters_on_its_page_and_the_filter_stays(painter: str, clients: Clients) -> None:
    text = clients["viewer"].get(f"{painter}/pictures/2?parameter=style%3D9").text

    assert "<dt>Parameters</dt><dd>style monet (9), strength 0.5</dd>" in text
    assert "?parameter=style%3D9" in text
    assert 'rel="next"' not in text
    assert 'rel="prev"' not in text


def test_the_dialog_of_a_batch_has_a_field_for_each_parameter(
    painter: str, clients: Clients, serving_two: None
) -> None:
    text = clients["user"].get(f"/tendies/models/{MODEL}").text

    assert 'data-conf="parameter_style"' in text
    assert ">monet (9)</option>" in text
    assert re.search(r'data-conf="parameter_strength" data-kind="number" step="any" min="0.0" max="1.0"', text)
    assert "parameter_" not in clients["user"].get("/tendies/models/brush").text


@pytest.mark.parametrize(("given", "offered"), [({}, True), ({"style": 9}, False)])
def test_a_run_with_parameters_of_its_own_offers_no_retry_that_would_change_them(
    painter: str, world: WebWorld, clients: Clients, given: dict[str, int], offered: bool
) -> None:
    output, name = world.root / MODEL, f"failed{len(given)}"
    line = {"run_id": name, "input": "p3.jpg", "outcome": "failed", "kind": "server_error", "reason": "it failed",
            "model_name": MODEL, "version": 1, "parameters": {"style": 9}}  # fmt: skip
    with (output / ".tendies" / "ledger.jsonl").open("ab") as ledger:
        ledger.write(orjson.dumps(line) + b"\n")
    (output / ".tendies" / "runs" / name).mkdir()
    report = {"ok": False, "done": 0, "failed": 1, "total": 1, "parameters": given}
    (output / ".tendies" / "runs" / name / "report.json").write_bytes(orjson.dumps(report))

    text = clients["user"].get(f"/tendies/runs/{MODEL}/{name}").text
    assert ("do-retry" in text) is offered
    assert ("parameters of its own (style monet (9))" in text) is not offered
