"""The contract in NumPy, against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tendies_ops.export.golden import golden_images
from tendies_ops.export.reference import (
    class_scores,
    network_input,
    output_pixels,
    plain_values,
    resize_matrix,
    resized,
)
from tendies_ops.spec import InputContract, OutputContract

PIXELS = np.array([[[0, 128, 255]]], np.uint8)


def given_to_network(**contract: object) -> list[float]:
    numbers: list[float] = network_input(PIXELS, InputContract.model_validate(contract)).ravel().tolist()
    return numbers


def test_the_range_is_one_linear_map() -> None:
    assert given_to_network() == [0.0, pytest.approx(128 / 255), 1.0]
    assert given_to_network(range={"low": -1, "high": 1}) == [-1.0, pytest.approx(128 / 127.5 - 1, abs=1e-6), 1.0]
    assert given_to_network(dtype="uint8") == [0, 128, 255]


def test_mean_and_deviation_are_in_the_order_of_the_network() -> None:
    contract = {"color_order": "bgr", "range": {"low": 0, "high": 255}, "subtract_mean": [1, 2, 3]}
    assert given_to_network(**contract) == [254, 126, -3]
    assert given_to_network(**contract, divide_by=[2]) == [127, 63, -1.5]


def test_padding_mirrors_and_knows_sides_of_one_pixel() -> None:
    column = np.arange(3, dtype=np.uint8).reshape(3, 1, 1)
    contract = InputContract.model_validate({"channels": 1, "multiple_of": 4, "dtype": "uint8"})
    assert network_input(column, contract)[0, :, 0, 0].tolist() == [0, 1, 2, 1]
    assert network_input(column, contract).shape == (1, 4, 4, 1)


@pytest.mark.parametrize(("given", "wanted"), [([1, 2, 3, 4], [3, 2, 1, 4]), ([1, 2, 3], [3, 2, 1]), ([1], [1])])
def test_the_other_order_of_colours_leaves_alpha_last(given: list[int], wanted: list[int]) -> None:
    contract = OutputContract.model_validate({"color_order": "bgr", "range": {"low": 0, "high": 255}})
    values = np.array(given, np.float32).reshape(1, 1, -1)
    assert output_pixels(values, (1, 1), contract, was_resized=False).ravel().tolist() == wanted


def test_what_overshoots_is_clipped_and_cropped() -> None:
    values = np.full((8, 8, 3), 1.7)
    pixels = output_pixels(values, (5, 7), OutputContract(), was_resized=False)
    assert pixels.shape == (5, 7, 3)
    assert (pixels == 255).all()


@given(st.integers(1, 65), st.integers(1, 65), st.sampled_from(["bilinear", "bicubic", "area", "nearest"]))
def test_a_resize_keeps_one_colour(source: int, target: int, method: str) -> None:
    matrix = resize_matrix(source, target, method)
    assert matrix.shape == (target, source)
    assert np.allclose(matrix.sum(axis=1), 1.0)
    assert np.allclose(resized(np.full((source, 3, 1), 77, np.uint8), (target, 3), method), 77.0)


def test_scores_and_numbers_are_activated_and_rounded() -> None:
    logits = np.array([0.0, np.log(3.0)])
    softmax = OutputContract(kind="classification", activation="softmax")
    best = OutputContract(kind="classification", activation="softmax", labels=("a", "b"), top_k=1)
    assert class_scores(logits, softmax).tolist() == pytest.approx([0.25, 0.75])
    assert class_scores(logits, best).tolist() == pytest.approx([0.75])
    boxes = OutputContract(kind="detection")
    assert plain_values("detection_classes", np.array([1.988]), boxes).tolist() == [2.0]
    assert plain_values("detection_scores", np.array([0.4]), boxes).tolist() == [0.4]


def test_golden_images_are_the_same_each_time_and_of_several_kinds() -> None:
    first, second = golden_images((), InputContract()), golden_images((), InputContract())
    assert first == second
    assert len({image.name for image in first}) == len(first) >= 5
    assert any(image.data.startswith(b"\xff\xd8") for image in first)
    assert any("37x53" in image.name for image in first)


def test_pictures_of_logits_are_what_the_activation_makes_of_them() -> None:
    logits = np.array([[[-1000, 0, np.log(3)]]], np.float32)
    sigmoid = OutputContract.model_validate({"activation": "sigmoid"})
    assert output_pixels(logits, (1, 1), sigmoid, was_resized=False).ravel().tolist() == [0, 128, 191]
    softmax = OutputContract.model_validate({"activation": "softmax"})
    assert output_pixels(logits, (1, 1), softmax, was_resized=False).ravel().tolist() == [0, 64, 191]


def test_the_threshold_of_a_mask_cuts_what_the_activation_gives() -> None:
    logits = np.array([[[-0.1], [0.1], [0.6]]], np.float32)
    mask = OutputContract.model_validate({"kind": "segmentation", "activation": "sigmoid"})
    assert output_pixels(logits, (1, 3), mask, was_resized=False).ravel().tolist() == [0, 1, 1]


def test_an_activation_of_a_detection_is_for_its_scores() -> None:
    detection = OutputContract.model_validate({"kind": "detection", "activation": "sigmoid"})
    zeros = np.zeros([2], np.float32)
    assert plain_values("detection_scores", zeros, detection).tolist() == [0.5, 0.5]
    assert plain_values("detection_boxes", zeros, detection).tolist() == [0, 0]
    assert plain_values("detection_classes", zeros, detection).tolist() == [0, 0]
