"""The contract of a network is found out by running it: small networks of which the right contract is known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tendies_ops.errors import ExportError
from tendies_ops.export.trial.try_model import try_model
from tendies_ops.spec import Contract, ModelSpec
from tendies_ops.spec.input_contract import ValueRange

if TYPE_CHECKING:
    import tensorflow as tf
else:
    tf = pytest.importorskip("tensorflow")

Network = Callable[[Any], Any]
SHAPE = (None, None, None, 3)


@pytest.fixture
def try_network(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Write a network as a frozen graph, and try it on made pictures."""

    def run(network: Network, shape: tuple[int | None, ...] = SHAPE, **contract: Any) -> dict[str, Any]:
        with tf.Graph().as_default() as graph:
            image = tf.compat.v1.placeholder(tf.float32, shape, name="image")
            tf.identity(network(image), name="out")
        tf.io.write_graph(graph, str(tmp_path), "frozen.pb", as_text=False)
        source = {"checkpoint": str(tmp_path / "frozen.pb"), "input_tensor": "image"}
        spec = ModelSpec.model_validate({"model_name": "tried", "source": source, "contract": contract})
        return try_model(spec, ["out"], [], tmp_path, lambda _: None)

    return run


def best(result: dict[str, Any]) -> Contract:
    return Contract.model_validate(result["proposals"][0]["contract"])


def ends(result: dict[str, Any]) -> tuple[ValueRange, ValueRange]:
    contract = best(result)
    return contract.input.range, contract.output.range


def darker(image: tf.Tensor) -> tf.Tensor:
    """For numbers from 0 to 1."""
    return tf.clip_by_value(image, 0, 1) ** 1.5


RANGES = {
    (0, 1): darker,
    (-1, 1): lambda image: darker((image + 1) / 2) * 2 - 1,
    (0, 255): lambda image: darker(image / 255) * 255,
}


@pytest.mark.parametrize(("low", "high"), RANGES)
def test_the_range_of_a_network_that_clips_is_found(low: int, high: int, try_network: Callable[..., Any]) -> None:
    wanted = ValueRange(low=low, high=high)
    assert ends(try_network(RANGES[low, high])) == (wanted, wanted)


def test_a_network_may_give_another_range_than_it_takes(try_network: Callable[..., Any]) -> None:
    found = ends(try_network(lambda image: darker(image / 255) * 2 - 1))
    assert found == (ValueRange(low=0, high=255), ValueRange(low=-1, high=1))


def test_logits_get_a_sigmoid(try_network: Callable[..., Any]) -> None:
    result = try_network(lambda image: 12 * (tf.clip_by_value(image, 0, 1) - 0.5))
    assert best(result).output.activation == "sigmoid"
    assert ends(result) == (ValueRange(), ValueRange())


def test_a_network_that_follows_the_scale_of_its_input_gets_the_usual_one_as_an_assumption(
    try_network: Callable[..., Any],
) -> None:
    result = try_network(lambda image: image * 0.9)
    assert ends(result) == (ValueRange(), ValueRange())
    assert result["proposals"][0]["marks"]["input.range"].startswith("assumed")


def test_that_the_range_does_not_matter_is_said(try_network: Callable[..., Any]) -> None:
    def normalised(image: tf.Tensor) -> tf.Tensor:
        mean, variance = tf.nn.moments(image, [1, 2], keepdims=True)
        return tf.sigmoid((image - mean) / tf.sqrt(variance + 1e-6))

    marks = try_network(normalised)["proposals"][0]["marks"]
    assert "does not matter" in marks["input.range"]


def test_red_is_first_and_blue_is_shown(try_network: Callable[..., Any]) -> None:
    result = try_network(lambda image: darker(image) * [1.0, 0.8, 0.6])
    contracts = [Contract.model_validate(one["contract"]) for one in result["proposals"]]
    assert contracts[0].input.color_order == contracts[0].output.color_order == "rgb"
    assert "bgr" in [contract.input.color_order for contract in contracts]
    assert result["proposals"][0]["marks"]["input.color_order"].startswith("assumed")


def test_grey_pictures_and_channels_in_front_are_read_off_the_shape(try_network: Callable[..., Any]) -> None:
    grey = best(try_network(darker, (None, None, None, 1)))
    assert (grey.input.channels, grey.input.layout, grey.output.kind) == (1, "nhwc", "image")
    front = best(try_network(darker, (None, 3, None, None)))
    assert (front.input.channels, front.input.layout, front.output.layout) == (3, "nchw", "nchw")


def test_the_stride_and_the_scale_are_found_by_running(try_network: Callable[..., Any]) -> None:
    def strided(image: tf.Tensor) -> tf.Tensor:
        small = tf.nn.avg_pool2d(darker(image), 4, 4, "SAME")
        return tf.nn.depth_to_space(tf.tile(small, [1, 1, 1, 64]), 8)

    contract = best(try_network(strided))
    assert (contract.input.multiple_of, contract.output.scale) == (4, 2)


def test_a_fixed_size_is_taken_with_resizing(try_network: Callable[..., Any]) -> None:
    contract = best(try_network(darker, (None, 64, 48, 3)))
    assert contract.input.size is not None
    assert (contract.input.size.height, contract.input.size.width, contract.input.resize) == (64, 48, "bilinear")
    assert contract.output.restore_size


def test_a_network_that_mixes_the_pictures_of_a_batch_gets_one_at_a_time(try_network: Callable[..., Any]) -> None:
    mixed = try_network(lambda image: darker(image) * 0.5 + tf.reduce_mean(darker(image), 0, keepdims=True) * 0.5)
    assert best(mixed).input.batch_size == 1
    assert best(try_network(darker)).input.batch_size is None


def kernel(red: float, blue: float) -> np.ndarray[Any, Any]:
    values = np.random.default_rng(5).normal(0, 0.1, (5, 5, 3, 8))
    weights: np.ndarray[Any, Any] = (values * np.array([red, 1, blue])[:, None]).astype(np.float32)
    return weights


def classified(features: tf.Tensor, *, scores: bool) -> tf.Tensor:
    weights = np.random.default_rng(6).normal(0, 3, (8, 5)).astype(np.float32)
    upper, lower = tf.split(features, 2, axis=1)  # what is above the middle, against what is below
    logits = tf.matmul(tf.reduce_mean(upper, [1, 2]) - tf.reduce_mean(lower, [1, 2]), tf.constant(weights))
    return tf.nn.softmax(logits) if scores else logits


def test_a_classifier_that_saturates_is_not_fed_bytes_and_its_weights_tell_the_colour_order(
    try_network: Callable[..., Any],
) -> None:
    result = try_network(
        lambda image: classified(tf.nn.relu6(tf.nn.conv2d(image, kernel(1, 2), 1, "SAME")), scores=True)
    )
    contract = best(result)
    assert (contract.input.range, contract.input.color_order) == (ValueRange(), "bgr")
    assert (contract.output.kind, contract.output.activation) == ("classification", "none")
    assert "weights" in result["proposals"][0]["marks"]["input.color_order"]
    assert "labels" in result["proposals"][0]["marks"]["output.kind"]
    verdicts = {one["name"]: one["verdict"] for one in result["proposals"]}
    assert "Relu6" in verdicts["0..255, BGR"]


def test_logits_of_classes_get_a_softmax(try_network: Callable[..., Any]) -> None:
    result = try_network(lambda image: classified(tf.nn.conv2d(image, kernel(1, 1), 1, "SAME"), scores=False))
    assert best(result).output.activation == "softmax"


def test_the_statistics_of_the_first_layer_tell_what_it_was_trained_on(try_network: Callable[..., Any]) -> None:
    weights = kernel(1, 1)

    def normalised(image: tf.Tensor) -> tf.Tensor:
        features = tf.nn.conv2d(image, weights, 1, "SAME")
        centre = weights.sum(axis=(0, 1, 2)) * 110  # of pictures from 0 to 255
        zeros, ones = np.zeros(8, np.float32), np.ones(8, np.float32)
        norm = tf.compat.v1.nn.fused_batch_norm(
            features, ones, zeros, centre, np.abs(centre) ** 2 * 0.2, epsilon=1e-3, is_training=False
        )
        return classified(tf.nn.relu(norm[0]), scores=True)

    contract = best(try_network(normalised))
    assert contract.input.range == ValueRange(low=0, high=255)


def test_a_mask_is_cut_and_a_map_of_grey_is_kept(try_network: Callable[..., Any]) -> None:
    def mask(image: tf.Tensor) -> tf.Tensor:
        return tf.sigmoid(400 * (tf.reduce_mean(darker(image), 3, keepdims=True) - 0.3))

    assert best(try_network(mask)).output.kind == "segmentation"
    grey = best(try_network(lambda image: tf.reduce_mean(darker(image), 3, keepdims=True)))
    assert grey.output.kind == "image"


def test_numbers_of_no_usual_range_are_an_error_that_says_what_to_write(try_network: Callable[..., Any]) -> None:
    with pytest.raises(ExportError, match=r"contract\.output\.range"):
        try_network(lambda image: 1e5 + image)


def test_a_network_that_refuses_every_reading_but_one_is_tried_under_that_one(try_network: Callable[..., Any]) -> None:
    def strict(image: tf.Tensor) -> tf.Tensor:
        with tf.control_dependencies([tf.compat.v1.assert_less(tf.reduce_max(image), 1.5)]):
            return darker(image)

    assert best(try_network(strict)).input.range == ValueRange()


def test_further_inputs_are_fed_zeros(tmp_path: Path) -> None:
    with tf.Graph().as_default() as graph:
        image = tf.compat.v1.placeholder(tf.float32, SHAPE, name="image")
        bias = tf.compat.v1.placeholder(tf.float32, [None, 1], name="bias")
        tf.identity(darker(image) + bias[:, :, None, None], name="out")
    tf.io.write_graph(graph, str(tmp_path), "frozen.pb", as_text=False)
    source = {"checkpoint": str(tmp_path / "frozen.pb"), "input_tensor": "image"}
    contract = {"extra_inputs": {"bias": {"tensor": "bias"}}}
    spec = ModelSpec.model_validate({"model_name": "tried", "source": source, "contract": contract})
    assert ends(try_model(spec, ["out"], [], tmp_path, lambda _: None)) == (ValueRange(), ValueRange())


def test_each_of_several_outputs_gets_its_kind(tmp_path: Path) -> None:
    with tf.Graph().as_default() as graph:
        image = darker(tf.compat.v1.placeholder(tf.float32, SHAPE, name="image"))
        tf.identity(image, name="picture")
        tf.reduce_mean(image, 3, keepdims=True, name="depth")
        tf.nn.softmax(tf.reduce_mean(image, [1, 2]), name="scores")
    tf.io.write_graph(graph, str(tmp_path), "frozen.pb", as_text=False)
    names = {name: name for name in ("depth", "picture", "scores")}
    source = {"checkpoint": str(tmp_path / "frozen.pb"), "input_tensor": "image", "output_tensors": names}
    spec = ModelSpec.model_validate({"model_name": "tried", "source": source})
    result = try_model(spec, [], [], tmp_path, lambda _: None)
    kinds = {name: output.kind for name, output in best(result).outputs.items()}
    assert kinds == {"picture": "image", "depth": "image", "scores": "classification"}
    assert "labels" in result["proposals"][0]["marks"]["outputs.scores.kind"]
