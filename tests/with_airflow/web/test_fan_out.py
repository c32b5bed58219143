"""The matrix of a fan-out: pictures as rows, styles as columns, two cells under a slider."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.support.scenes import png, scene
from tests.support.specs import add_spec
from tests.support.web_world import WebWorld
from tests.with_airflow.web.clients import Clients

MODEL = "styles"
ADDRESS = f"/tendies/models/{MODEL}/fan-out"


def add_style(output: Path, style: int, inputs: Path, paths: list[str], failed: str = "") -> None:
    """Write what a run of one style leaves."""
    folder = output / f"style={style}"
    (folder / ".tendies" / "runs" / f"r.{style}").mkdir(parents=True)
    lines = []
    for path in paths:
        line: dict[str, Any] = {"run_id": f"r.{style}", "input": path, "model_name": MODEL, "version": 1}
        line |= {"outcome": "failed", "kind": "damaged", "reason": "it ends"} if path == failed else {"outcome": "done"}
        line |= {} if path == failed else {"output": path, "parameters": {"style": style}}
        (folder / path).write_bytes(png(scene(style)))
        lines.append(orjson.dumps(line) + b"\n")
    (folder / ".tendies" / "ledger.jsonl").write_bytes(b"".join(lines))
    report = {"ok": True, "done": len(paths), "input": str(inputs)}
    (folder / ".tendies" / "runs" / f"r.{style}" / "report.json").write_bytes(orjson.dumps(report))


@pytest.fixture(scope="module", autouse=True)
def _styled(world: WebWorld) -> None:
    inputs, output = world.root / "to_style", world.root / "styled"
    inputs.mkdir()
    for name in ("a.png", "b.png", "c.png"):
        (inputs / name).write_bytes(png(scene(7)))
    add_style(output, 10, inputs, ["a.png", "b.png"], failed="b.png")
    add_style(output, 9, inputs, ["a.png", "b.png", "c.png"])
    (output / "fan_out.png").write_bytes(b"")
    add_spec(
        world.specs_dir,
        {
            "model_name": MODEL,
            "source": {"checkpoint": "c"},
            "contract": {"extra_inputs": {"style": {"tensor": "s", "one_hot": 26, "choices": {"monet": 9}}}},
            "batch": {"input": str(inputs), "output": str(output)},
        },
    )


def test_pictures_are_rows_and_styles_are_columns_in_their_order(clients: Clients) -> None:
    text = clients["viewer"].get(ADDRESS).text

    assert re.findall(r'<th scope="col">([^<]*)</th>', text) == ["Picture", "style monet (9)", "style 10"]
    assert re.findall(r'<th scope="row" class="break">([^<]*)</th>', text) == ["a.png", "b.png", "c.png"]
    assert "it ends" in text
    assert text.count("Not made") == 1
    assert f'href="/tendies/models/{MODEL}/fan-out"' in clients["viewer"].get(f"/tendies/models/{MODEL}").text


def test_each_cell_is_the_result_of_its_own_style(world: WebWorld, clients: Clients) -> None:
    text = clients["viewer"].get(ADDRESS).text
    images = re.findall(r'src="([^"]+/after)"', text)

    assert images == [
        f"/tendies/runs/{MODEL}/r.{style}/pictures/{row}/after" for style, row in ((9, 1), (10, 1), (9, 2), (9, 3))
    ]
    assert {clients["viewer"].get(image).status_code for image in images} == {200}
    assert clients["viewer"].get(images[0].replace("after", "before")).status_code == 200
    assert clients["viewer"].get(images[0]).content != clients["viewer"].get(images[1]).content


def test_two_cells_are_compared_with_a_slider(clients: Clients) -> None:
    text = clients["viewer"].get(f"{ADDRESS}?pick=r.9/1&pick=r.10/1").text

    assert "Share of style monet (9) that is shown" in text
    assert f"/runs/{MODEL}/r.10/pictures/1/after?size=full" in text


@pytest.mark.parametrize("pick", ["r.9/x", "r.9/99", "../..", "no/1", "r.9/9999999999999999999999", "r.10/2"])
def test_a_cell_that_is_not_there_is_not_compared(pick: str, clients: Clients) -> None:
    answer = clients["viewer"].get(ADDRESS, params={"pick": [pick, "r.9/1"]})

    assert answer.status_code == 200
    assert "that is shown" not in answer.text


def test_the_run_of_each_style_is_in_the_list_of_runs(clients: Clients) -> None:
    text = clients["viewer"].get(f"/tendies/runs?model={MODEL}").text

    assert "From the command line, style 9" in text
    assert "From the command line, style 10" in text


def test_a_model_without_a_fan_out_has_no_matrix(clients: Clients) -> None:
    assert clients["viewer"].get("/tendies/models/daily/fan-out").status_code == 404
