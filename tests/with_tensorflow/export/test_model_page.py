"""docs/how-to/i-have-a-model.md, run block by block in a folder that holds what the page speaks of."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.how_to import blocks_of, run_block, write_named_files
from tests.support.pixels import png, random_pixels
from tests.with_tensorflow.export.small_sources import copy_of

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "i-have-a-model.md"


@pytest.fixture
def workplace(small_sources: Path, tmp_path: Path) -> Path:
    sources = {"model.keras": "painter.keras", "saved_tf2": "saved_model", "tf1": "training", "frozen.pb": "frozen.pb"}
    for source, name in {**sources, "only.weights.h5": "only.weights.h5"}.items():
        copy_of(small_sources / source, tmp_path / name)
    (tmp_path / "photos").mkdir()
    for seed in range(2):
        (tmp_path / "photos" / f"{seed}.png").write_bytes(png(random_pixels(40, 50, seed=seed)))
    (tmp_path / "net.tflite").write_bytes(b"\x1c\0\0\0TFL3" + bytes(100))
    return tmp_path


@pytest.mark.timeout(400)
def test_the_page_does_what_it_says(workplace: Path) -> None:
    write_named_files(PAGE, workplace, {})
    first, again, weights, saved, frozen, training, other = [run_block(one, workplace) for one in blocks_of(PAGE, {})]
    assert "painter.keras is a whole Keras 3" in first
    assert "largest difference to the source" in first
    assert "Wrote candidate 2 (" in again
    for printed, spec in ((weights, "weights"), (saved, "saved"), (frozen, "frozen"), (training, "training")):
        assert f"to {spec}.yaml" in printed
    assert "frozen.pb is a frozen TensorFlow graph" in frozen
    assert "is a TensorFlow 1 checkpoint" in training
    assert "net.tflite is a TensorFlow Lite model" in other
