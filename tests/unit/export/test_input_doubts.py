"""Doubts about the stated input of a network, which is tried with the other usual ways to prepare pictures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tendies_ops.export.input_doubts import judge_input
from tendies_ops.spec import Contract

Numbers = NDArray[Any]


def pictures(count: int = 3, side: int = 64) -> list[NDArray[np.uint8]]:
    """Make colourful pictures with structure at several scales, as photographs have."""
    random = np.random.default_rng(5)
    made = []
    for _ in range(count):
        total = np.zeros((side, side, 3))
        for cells in (2, 4, 8, 16, 64):
            repeated = random.normal(0, 1, (cells, cells, 3)).repeat(side // cells, 0).repeat(side // cells, 1)
            total += repeated / cells**0.5
        made.append(np.clip(np.rint(128 + 60 * total), 0, 255).astype(np.uint8))
    return made


def judged(network: Callable[[Numbers], Numbers], **contract: Any) -> tuple[str, str]:
    """Judge a network given as a function of ``[1, height, width, 3]``; return doubts and what is not told."""
    doubts, untold = judge_input(
        lambda batch: {"output": np.asarray(network(np.asarray(batch, np.float64)))},
        pictures(),
        Contract.model_validate(contract),
        "output",
    )
    return " ".join(doubts), " ".join(untold)


def ends(low: float, high: float) -> dict[str, Any]:
    return {"range": {"low": low, "high": high}}


def sharpen(shares: Numbers) -> Numbers:
    """Take and give 0 to 1, and saturate outside, as a network with a final sigmoid does."""
    return np.asarray(1 / (1 + np.exp(-6 * np.clip(shares - 0.5, -50, 50))))


def normalise(values: Numbers) -> Numbers:
    """Give the same picture from 0 to 1 whatever the range of the input, as instance normalisation does."""
    return np.asarray(0.5 + 0.2 * (values - values.mean((1, 2))) / values.std((1, 2)))


@pytest.mark.parametrize(("low", "high"), [(-1, 1), (0, 255), (0, 3)])
@pytest.mark.parametrize("network", [sharpen, normalise])
def test_a_wrong_input_range_is_doubted_with_the_key_to_check(network: Any, low: float, high: float) -> None:
    assert "contract.input.range" in judged(network, input=ends(low, high))[0]
    assert not judged(network)[0]


@pytest.mark.parametrize("stated", [ends(0, 1), ends(-1, 1), ends(0, 255)], ids=str)
def test_no_range_is_doubted_for_a_network_that_gives_the_range_that_it_takes(stated: dict[str, Any]) -> None:
    assert not judged(lambda values: values, input=stated, output=stated)[0]


def test_other_readings_that_look_as_good_in_another_way_are_reported_as_not_verified() -> None:
    doubts, untold = judged(lambda values: np.tanh(values + 0.3 * values**2))
    assert not doubts
    assert "contract.input.range: " in untold


@pytest.mark.parametrize("high", [0.5, 127.5])
def test_an_unusual_range_at_both_ends_is_not_doubted(high: float) -> None:
    stated = ends(-high, high)
    assert not judged(lambda values: np.clip(values, -high, high), input=stated, output=stated)[0]


def test_a_mean_and_deviation_that_make_the_output_range_are_not_doubted() -> None:
    halves = {"subtract_mean": [0.5], "divide_by": [0.5]}
    assert not judged(lambda values: 2 * normalise(values) - 1, input=halves, output=ends(-1, 1))[0]


def test_a_mean_for_each_channel_is_not_doubted_for_a_network_that_gives_bytes() -> None:
    mean = {**ends(0, 255), "subtract_mean": [123.68, 116.779, 103.939]}
    assert not judged(lambda values: 255 * normalise(values), input=mean, output=ends(0, 255))[0]


@pytest.mark.parametrize("end", ["input", "output"])
def test_red_and_blue_exchanged_at_one_end_are_doubted(end: str) -> None:
    assert "color_order" in judged(sharpen, **{end: {"color_order": "bgr"}})[0]


def test_a_network_that_makes_negatives_is_not_taken_for_one_of_exchanged_colours() -> None:
    assert not judged(lambda shares: 1 - sharpen(shares))[0]


def test_red_and_blue_exchanged_at_both_ends_are_reported_as_not_verified() -> None:
    bgr = {"color_order": "bgr"}
    doubts, untold = judged(sharpen, input=bgr, output=bgr)
    assert not doubts
    assert "do not distinguish bgr from rgb" in untold


def test_a_network_of_rgb_that_is_given_bgr_is_doubted_if_its_pictures_show_it() -> None:
    def redden(shares: Numbers) -> Numbers:
        return np.asarray(sharpen(shares) * [1.0, 0.9, 0.2] + [0.0, 0.0, 0.4] * (1 - shares))

    bgr = {"color_order": "bgr"}
    both = judged(redden, input=bgr, output=bgr)
    assert "color_order" in both[0] + both[1]


@pytest.mark.parametrize("kind", ["classification", "tensor", "regression"])
def test_numbers_that_explode_under_the_stated_input_are_doubted(kind: str) -> None:
    weights = np.random.default_rng(1).normal(0, 1, (3, 1 if kind == "regression" else 5))

    def logits(values: Numbers) -> Numbers:
        return np.asarray(values.mean((1, 2)) @ weights + 0.5)

    output = {"kind": kind}
    assert "go up to" in judged(logits, input=ends(0, 255), output=output)[0]
    assert not judged(logits, output=output)[0]


def test_answers_that_do_not_depend_on_the_picture_are_doubted() -> None:
    weights = np.random.default_rng(1).normal(0, 20, (3, 5))

    def logits(values: Numbers) -> Numbers:
        return np.asarray((values / 255).mean((1, 2)) @ weights + np.arange(5.0))

    output = {"kind": "classification"}
    assert "same for every picture" in judged(logits, output=output)[0]
    assert not judged(logits, input=ends(0, 255), output=output)[0]


def test_pixels_as_they_are_have_no_other_reading() -> None:
    doubts, untold = judged(lambda values: values / 255, input={"dtype": "uint8"})
    assert "range" not in doubts + untold
