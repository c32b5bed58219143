"""Every kind of source with every kind of output: the cells of the table in docs/reference/sources-and-outputs.md."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
from numpy.typing import NDArray

from tendies_ops.spec import ModelSpec
from tests.support.pixels import pixels_of, png, random_pixels
from tests.with_tensorflow.export.exported import ExportHere
from tests.with_tensorflow.export.many_headed_sources import SOURCES, make_many_headed_sources, source_in
from tests.with_tensorflow.export.test_sources import by_hand_values

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "sources-and-outputs.md"
RANGE = {"range": {"low": -1, "high": 1}}
NAMES = ["cat", "dog", "fish"]
DETECTIONS = ("detection_boxes", "detection_scores", "detection_classes", "num_detections")
OUTPUTS = {
    "picture": {"kind": "image", **RANGE},
    "labels": {"kind": "segmentation"},
    "logits": {"kind": "classification", "labels": NAMES},
    "score": {"kind": "regression"},
    "numbers": {"kind": "tensor"},
    **{name: {"kind": "detection"} for name in DETECTIONS},
}
#: Output -> its rows, one a picture.
Answer: TypeAlias = dict[str, NDArray[Any]]
PIXELS = [random_pixels(12, 17, seed=1), random_pixels(9, 9, seed=2), random_pixels(12, 17, seed=3)]


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory, export_here: ExportHere) -> Callable[[str], Answer]:
    """Source -> what its one export answers to three pictures of two sizes; made when first asked for."""
    folder = make_many_headed_sources(tmp_path_factory.mktemp("many_headed"))
    made: dict[str, Answer] = {}

    def of(source: str) -> Answer:
        if source not in made:
            contract = {"input": RANGE, "outputs": OUTPUTS}
            spec = ModelSpec.model_validate(
                {"model_name": "heads", "source": source_in(folder, source), "contract": contract}
            )
            made[source] = export_here(spec).send(*map(png, PIXELS))
        return made[source]

    return of


def image_is_right(answer: Answer) -> None:
    for file, pixels in zip(answer["picture_bytes"], PIXELS, strict=True):
        assert np.abs(pixels_of(file) - np.rint((by_hand_values(pixels) + 1) * 127.5)).max() <= 1


def segmentation_is_right(answer: Answer) -> None:
    for file, pixels in zip(answer["labels_bytes"], PIXELS, strict=True):
        values = np.sort(by_hand_values(pixels), -1)
        plain = values[..., -1] - values[..., -2] > 1e-4  # where rounding cannot decide
        assert np.array_equal(pixels_of(file)[plain], by_hand_values(pixels).argmax(-1)[plain])


def classification_is_right(answer: Answer) -> None:
    assert np.allclose(answer["logits_scores"], means(), atol=1e-4)
    assert answer["logits_classes"].tolist() == [[name.encode() for name in NAMES]] * len(PIXELS)


def regression_is_right(answer: Answer) -> None:
    assert np.allclose(answer["score"].reshape(-1), means().mean(-1), atol=1e-4)


def detection_is_right(answer: Answer) -> None:
    assert np.allclose(answer["detection_scores"], means(), atol=1e-4)
    assert np.allclose(answer["detection_boxes"], np.repeat(means()[..., None], 4, -1), atol=1e-4)
    assert answer["detection_classes"].tolist() == [[2.0] * 3] * len(PIXELS)
    assert answer["num_detections"].reshape(-1).tolist() == [3.0] * len(PIXELS)


def tensor_is_right(answer: Answer) -> None:
    assert np.allclose(answer["numbers"], np.repeat(means()[..., None], 4, -1), atol=1e-4)


def means() -> NDArray[np.float64]:
    return np.stack([by_hand_values(pixels).mean((0, 1)) for pixels in PIXELS])


CHECKS = {
    "image": image_is_right,
    "segmentation": segmentation_is_right,
    "classification": classification_is_right,
    "regression": regression_is_right,
    "detection": detection_is_right,
    "tensor": tensor_is_right,
}


@pytest.mark.parametrize("output", CHECKS)
@pytest.mark.parametrize("source", SOURCES)
def test_a_source_answers_an_output_as_the_network_does_by_hand(
    source: str, output: str, answers: Callable[[str], Answer]
) -> None:
    CHECKS[output](answers(source))


def test_the_table_of_the_reference_has_a_cell_for_each_of_them() -> None:
    rows = re.findall(r"^\| (\S.*?) \|((?: ✓ \|)+)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert f"| source | {' | '.join(CHECKS)} |" in PAGE.read_text(encoding="utf-8")
    assert [(source.replace("`", ""), cells.count("✓")) for source, cells in rows] == [
        (source, len(CHECKS)) for source in SOURCES
    ]
