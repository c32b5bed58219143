"""What the export says about contracts that cannot be right, and that it is silent about those that can."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tendies_ops.errors import ImplausibleError
from tendies_ops.export.golden import golden_images
from tendies_ops.export.parity import Expectation, decoded
from tendies_ops.export.pipeline import export_to
from tendies_ops.export.plausibility import judge, require_plausible
from tendies_ops.spec import Contract, read_manifest
from tests.with_tensorflow.export.test_sources import CONTRACT, SOURCES, small_spec

SHARE = {"low": 0, "high": 1}


def doubts_about(output: dict[str, Any], network: Any, name: str = "output") -> str:
    """Judge a network that is given as a function of pixels 0..1 ``[height, width, 3]``."""
    contract = Contract.model_validate({"output": output})
    expected = []
    for image in golden_images([], contract.input):
        pixels = decoded(image.data, contract)
        expected.append(Expectation(image, pixels.shape[:2], {name: np.asarray(network(pixels / 255.0), np.float32)}))
    return " ".join(doubt for entry in judge(expected, contract) for doubt in entry.doubts)


def logit(share: NDArray[Any]) -> NDArray[Any]:
    clipped: NDArray[Any] = np.clip(share, 0.001, 0.999)
    values: NDArray[Any] = np.log(clipped / (1 - clipped))
    return values


@pytest.mark.parametrize(
    ("low", "high"), [(0, 1), (-1, 1), (0, 255), (-127.5, 127.5)], ids=["0..1", "-1..1", "0..255", "around 0"]
)
@pytest.mark.parametrize("change", [lambda x: x, lambda x: 1 - x, lambda x: 0.2 + 0.6 * x, np.sqrt])
def test_the_range_that_the_network_has_is_not_doubted(low: float, high: float, change: Any) -> None:
    output = {"range": {"low": low, "high": high}}
    assert not doubts_about(output, lambda share: low + (high - low) * change(share))


@pytest.mark.parametrize(
    ("stated", "low", "high", "word"),
    [
        (SHARE, 0, 255, "{low: 0, high: 255} would fit"),
        (SHARE, -1, 1, "{low: -1, high: 1} would fit"),
        ({"low": 0, "high": 255}, 0, 1, "{low: 0, high: 1} would fit"),
        ({"low": 0, "high": 255}, -1, 1, "{low: -1, high: 1} would fit"),
        ({"low": -1, "high": 1}, 0, 255, "{low: 0, high: 255} would fit"),
        ({"low": -1, "high": 1}, 0, 1, "bright part"),
        ({"low": 0, "high": 3}, 0, 1, "{low: 0, high: 1} would fit"),
        (SHARE, -8, 8, "far outside"),
    ],
)
def test_another_range_than_the_network_has_is_doubted_with_the_range_that_fits(
    stated: dict[str, float], low: float, high: float, word: str
) -> None:
    doubt = doubts_about({"range": stated}, lambda share: low + (high - low) * share)
    assert word in doubt
    assert "contract.output" in doubt


def test_a_missing_sigmoid_of_pictures_is_doubted_and_a_right_one_is_not() -> None:
    assert "sigmoid" in doubts_about({}, logit)
    assert not doubts_about({"activation": "sigmoid"}, logit)
    assert "end in one already" in doubts_about({"activation": "sigmoid"}, lambda share: share)


def test_a_picture_of_one_colour_is_doubted() -> None:
    assert "nearly flat" in doubts_about({}, lambda share: np.full_like(share, 0.5))


def test_a_channels_first_picture_is_judged_like_any_other() -> None:
    assert not doubts_about({"layout": "nchw"}, lambda share: share.transpose(2, 0, 1))
    assert "range" in doubts_about({"layout": "nchw"}, lambda share: 255 * share.transpose(2, 0, 1))


def scores(share: NDArray[Any]) -> NDArray[Any]:
    means: NDArray[Any] = share.mean(axis=(0, 1))
    return np.asarray(means / means.sum())


def test_logits_for_scores_are_doubted_and_so_is_a_second_softmax() -> None:
    kind = {"kind": "classification"}
    assert "softmax" in doubts_about(kind, lambda share: logit(scores(share)) * 5)
    assert not doubts_about(kind, scores)
    assert not doubts_about({**kind, "activation": "softmax"}, lambda share: logit(scores(share)))
    assert "once more" in doubts_about({**kind, "activation": "softmax"}, scores)


def test_a_mask_of_logits_is_doubted_unless_its_threshold_is_one_for_logits() -> None:
    kind = {"kind": "segmentation"}
    assert "sigmoid" in doubts_about(kind, lambda share: logit(share[..., :1]))
    assert not doubts_about({**kind, "threshold": -1}, lambda share: logit(share[..., :1]))
    assert not doubts_about({**kind, "activation": "sigmoid"}, lambda share: logit(share[..., :1]))
    assert not doubts_about(kind, lambda share: share[..., :1])


def test_a_detection_without_boxes_is_doubted() -> None:
    assert "detection_boxes" in doubts_about({"kind": "detection"}, scores, "detections")


def test_doubts_are_in_the_log_and_in_the_manifest_and_no_part_of_parity(small_sources: Path, tmp_path: Path) -> None:
    contract = {**CONTRACT, "output": {"range": {"low": 0, "high": 255}}}
    lines: list[str] = []
    spec = small_spec(small_sources, SOURCES["frozen_graph"], contract)
    export_to(tmp_path, spec, lines.append)
    manifest = read_manifest(tmp_path)

    (entry,) = manifest.plausibility
    assert [f"Warning: {doubt}" for doubt in entry.doubts] == [line for line in lines if line.startswith("Warning")]
    assert "would fit these numbers" in entry.doubts[0]
    assert max(parity.max_abs for parity in manifest.parity) <= 1


def test_a_strict_export_fails_on_a_doubt_and_passes_without(small_sources: Path, tmp_path: Path) -> None:
    wrong = small_spec(small_sources, SOURCES["frozen_graph"], {**CONTRACT, "output": {"range": {"low": 0, "high": 9}}})
    with pytest.raises(ImplausibleError, match="--strict"):
        export_to(tmp_path, wrong, lambda _: None, strict=True)
    assert not list(tmp_path.iterdir())
    require_plausible([])


def test_pictures_that_come_out_smaller_are_said_to_be(small_sources: Path, tmp_path: Path) -> None:
    lines: list[str] = []
    spec = small_spec(small_sources, {"checkpoint": "tf1", "builder": "half_as_large"})
    export_to(tmp_path, spec, lines.append)
    assert [line for line in lines if "results are smaller" in line and "32 x 32" in line]
