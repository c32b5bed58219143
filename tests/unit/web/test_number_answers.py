from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from tendies_ops.spec.manifest import GoldenEntry
from tendies_ops.web.sources.number_answers import golden_numbers, promised_picture, result_numbers

BOXES = {
    "detection_boxes": [[0.0, 0.0, 0.1, 0.1], [0.1, 0.25, 0.5, 0.75]],
    "detection_scores": [0.3, 0.957],
    "detection_classes": [2, 1],
    "num_detections": 2.0,
}


def write(path: Path, document: Any) -> Path:
    path.write_bytes(document if isinstance(document, bytes) else orjson.dumps(document))
    return path


def golden(directory: Path, **answers: Any) -> GoldenEntry:
    outputs = {name: write(directory / f"0.{name}.json", value).name for name, value in answers.items()}
    return GoldenEntry(name="hills", input="0.png", outputs=outputs)


def test_boxes_of_a_batch_are_reported_in_words(tmp_path: Path) -> None:
    listed = [{"label": "hand", "score": 0.957, "box": [0.1, 0.25, 0.5, 0.75]}]
    path = write(tmp_path / "a.json", {"input": "a.jpg", "height": 10, "width": 20, "detections": listed})
    assert result_numbers(path) == "hand  0.96  left 25% to 75%, top 10% to 50%"


def test_classes_of_a_batch_are_reported_best_first(tmp_path: Path) -> None:
    outputs = {"scores": [0.1, 0.7, 0.2], "classes": ["cat", "dog", "cow"]}
    path = write(tmp_path / "a.json", {"input": "a.jpg", "outputs": outputs})
    assert result_numbers(path).splitlines() == ["dog  0.700", "cow  0.200", "cat  0.100"]


def test_boxes_that_an_exporter_promised_are_reported_best_first(tmp_path: Path) -> None:
    lines = golden_numbers(tmp_path, golden(tmp_path, **BOXES)).splitlines()
    assert lines == [
        "class 1  0.96  left 25% to 75%, top 10% to 50%",
        "class 2  0.30  left 0% to 10%, top 0% to 10%",
    ]


def test_many_boxes_are_counted_and_not_all_listed(tmp_path: Path) -> None:
    listed = [{"label": "leaf", "score": 0.5, "box": [0, 0, 1, 1]}] * 120
    lines = result_numbers(write(tmp_path / "a.json", {"detections": listed})).splitlines()
    assert (len(lines), lines[-1]) == (21, "and 100 more")


def test_a_version_that_answers_in_numbers_promises_no_picture(tmp_path: Path) -> None:
    assert promised_picture(golden(tmp_path, **BOXES)) is None
    both = GoldenEntry(name="hills", input="0.png", outputs={"scores": "0.scores.json", "output_bytes": "0.png"})
    assert promised_picture(both) == "0.png"


@pytest.mark.parametrize(
    "document",
    [b"", b"not json", b"[]", b"7", {}, {"detections": 3}, {"outputs": []}, {"outputs": {"scores": ["a", {}]}},
     {"outputs": {"detection_boxes": 1, "detection_scores": 2}}, b" " * (5 << 20)],
)  # fmt: skip
def test_what_is_not_a_result_has_no_text(document: Any, tmp_path: Path) -> None:
    assert result_numbers(write(tmp_path / "a.json", document)) == ""


def test_boxes_that_make_no_sense_hide_no_others(tmp_path: Path) -> None:
    listed = [{"label": "x"}, {"label": "y", "score": 1, "box": [0, 0, 1, 1]}]
    lines = result_numbers(write(tmp_path / "a.json", {"detections": listed})).splitlines()
    assert lines == ["a box that makes no sense", "y  1.00  left 0% to 100%, top 0% to 100%"]


def test_numbers_outside_of_the_version_are_not_read(tmp_path: Path) -> None:
    version = tmp_path / "1"
    version.mkdir()
    write(tmp_path / "secret.json", [0.5])
    outside = GoldenEntry(name="hills", input="0.png", outputs={"output": "../secret.json"})
    assert "0.5" not in golden_numbers(version, outside)
