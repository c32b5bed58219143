"""docs/how-to/bring-your-own-model.md, executed: each spec in it exports."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from tendies_ops.spec import load_spec
from tests.support.pixels import pixels_of, png, random_pixels
from tests.with_tensorflow.export.exported import ExportHere
from tests.with_tensorflow.export.small_sources import copy_of
from tests.with_tensorflow.export.test_sources import by_hand

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "bring-your-own-model.md"
BLOCKS = dict(re.findall(r"```(?:python|yaml)\n# (\S+)\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL))
PICTURE_SPECS = sorted(name for name, text in BLOCKS.items() if name.endswith(".yaml") and "kind: seg" not in text)


@pytest.fixture(scope="module")
def workplace(small_sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds what the page speaks of."""
    folder = tmp_path_factory.mktemp("workplace")
    for source, name in {"tf1": "training", "saved_tf2": "saved_model"}.items():
        copy_of(small_sources / source, folder / name)
    for name in ("tf2", "graph.meta", "model.keras", "only.weights.h5", "frozen.pb"):
        copy_of(small_sources / name, folder / name)
    for name, text in BLOCKS.items():
        (folder / name).write_text(text)
    return folder


def test_the_page_has_a_spec_for_every_kind_of_source() -> None:
    kinds = ["frozen", "keras", "meta", "saved_model", "tf1", "tf2", "weights"]
    assert [f"{kind}.yaml" for kind in kinds] == PICTURE_SPECS


@pytest.mark.parametrize("name", PICTURE_SPECS)
def test_each_spec_of_the_page_serves_the_network(name: str, workplace: Path, export_here: ExportHere) -> None:
    pixels = random_pixels(11, 13)
    answer = export_here(load_spec(workplace / name)).send(png(pixels))["output_bytes"][0]
    assert np.abs(pixels_of(answer) - by_hand(pixels)).max() <= 1


def test_the_segmentation_of_the_page_answers_in_its_colours(workplace: Path, export_here: ExportHere) -> None:
    answer = export_here(load_spec(workplace / "tensor.yaml")).send(png(random_pixels(11, 13)))["output_bytes"][0]
    colors = {tuple(int(value) for value in color) for color in pixels_of(answer).reshape(-1, 3)}
    assert colors <= {(0, 0, 0), (0, 255, 0), (0, 0, 255)}
