"""Instance normalisation is found in every spelling by what it computes, and nothing else is taken for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tendies_ops.export.optimize.fold import fold
from tendies_ops.export.optimize.instance_norm import InstanceNorm, find_instance_norms
from tendies_ops.export.optimize.network_graph import NetworkGraph
from tendies_ops.export.optimize.norm_forms import fuse_instance_norms
from tests.with_tensorflow.optimize.networks import built, run, weights

CHANNELS, EPSILON = 8, 1e-3
SCALE = np.linspace(0.5, 1.5, CHANNELS).astype(np.float32)
OFFSET = np.linspace(-1.0, 1.0, CHANNELS).astype(np.float32)


def _statistics(x: Any) -> tuple[Any, Any]:
    import tensorflow as tf

    mean, variance = tf.nn.moments(x, [1, 2], keepdims=True)
    return mean, variance


def by_batch_normalization(x: Any) -> Any:
    import tensorflow as tf

    return tf.nn.batch_normalization(x, *_statistics(x), OFFSET, SCALE, EPSILON)


def by_a_power(x: Any) -> Any:
    mean, variance = _statistics(x)
    return SCALE * ((x - mean) / (variance + EPSILON) ** 0.5) + OFFSET


def by_a_root_and_a_quotient(x: Any) -> Any:
    import tensorflow as tf

    mean, variance = _statistics(x)
    return SCALE * (x - mean) / tf.sqrt(variance + EPSILON) + OFFSET


def by_the_mean_of_squares(x: Any) -> Any:
    import tensorflow as tf

    mean = tf.reduce_mean(x, [1, 2], keepdims=True)
    variance = tf.reduce_mean(tf.square(x), [1, 2], keepdims=True) - tf.square(mean)
    return (x - mean) * tf.math.rsqrt(variance + EPSILON) * SCALE + OFFSET


def by_sums(x: Any) -> Any:
    import tensorflow as tf

    shape = tf.shape(x)
    count = tf.cast(shape[1] * shape[2], tf.float32)
    mean = tf.reduce_sum(x, [1, 2], keepdims=True) / count
    variance = tf.reduce_sum((x - mean) * (x - mean), [1, 2], keepdims=True) / count
    return (x - mean) * tf.math.rsqrt(variance + EPSILON) * SCALE + OFFSET


def by_groups_of_one_channel(x: Any) -> Any:
    import tensorflow as tf

    shape = tf.shape(x)
    grouped = tf.reshape(x, [shape[0], shape[1], shape[2], CHANNELS, 1])
    mean, variance = tf.nn.moments(grouped, [1, 2, 4], keepdims=True)
    normalised = tf.reshape((grouped - mean) * tf.math.rsqrt(variance + EPSILON), shape)
    return tf.ensure_shape(normalised, [None, None, None, CHANNELS]) * SCALE + OFFSET


SPELLINGS = [
    by_batch_normalization, by_a_power, by_a_root_and_a_quotient, by_the_mean_of_squares, by_sums,
    by_groups_of_one_channel,
]  # fmt: skip


def network_with(norm: Callable[[Any], Any]) -> Any:
    import tensorflow as tf

    def build(image: Any) -> Any:
        x = tf.nn.bias_add(tf.nn.conv2d(image, weights(3, 3, 3, CHANNELS), 1, "SAME"), tf.constant(OFFSET))
        return tf.nn.conv2d(tf.nn.relu(norm(x)), weights(3, 3, CHANNELS, 3), 1, "SAME")

    return built(build)


def found_in(network: Any) -> list[InstanceNorm]:
    return find_instance_norms(NetworkGraph(fold(network)))


@pytest.mark.parametrize("spelling", SPELLINGS, ids=lambda spelling: spelling.__name__)
def test_each_spelling_is_found_with_its_scale_offset_and_epsilon(spelling: Callable[[Any], Any]) -> None:
    (norm,) = found_in(network_with(spelling))

    assert norm.picture == "Conv2D", "a bias before it changes nothing"
    assert norm.epsilon == pytest.approx(EPSILON, rel=1e-6)
    assert np.allclose(norm.scale, SCALE, atol=1e-3)
    assert np.allclose(norm.offset, OFFSET, atol=1e-3)


@pytest.mark.parametrize("spelling", SPELLINGS, ids=lambda spelling: spelling.__name__)
def test_the_rewritten_network_answers_the_same_numbers(spelling: Callable[[Any], Any]) -> None:
    network = network_with(spelling)
    rewritten, norms = fuse_instance_norms(network)

    assert norms == 1
    assert np.abs(run(network) - run(rewritten)).max() < 1e-4


def over_the_channels(x: Any) -> Any:
    import tensorflow as tf

    mean, variance = tf.nn.moments(x, [3], keepdims=True)
    return tf.nn.batch_normalization(x, mean, variance, OFFSET, SCALE, EPSILON)


def over_the_batch(x: Any) -> Any:
    import tensorflow as tf

    mean, variance = tf.nn.moments(x, [0, 1, 2], keepdims=True)
    return tf.nn.batch_normalization(x, mean, variance, OFFSET, SCALE, EPSILON)


def over_the_whole_picture(x: Any) -> Any:
    import tensorflow as tf

    mean, variance = tf.nn.moments(x, [1, 2, 3], keepdims=True)
    return tf.nn.batch_normalization(x, mean, variance, OFFSET, SCALE, EPSILON)


def with_epsilon_outside_the_root(x: Any) -> Any:
    import tensorflow as tf

    mean, variance = _statistics(x)
    return SCALE * (x - mean) / (tf.sqrt(variance) + EPSILON) + OFFSET


def without_the_mean(x: Any) -> Any:
    import tensorflow as tf

    return x * tf.math.rsqrt(tf.reduce_mean(tf.square(x), [1, 2], keepdims=True) + EPSILON) * SCALE + OFFSET


def with_a_style_from_the_picture(x: Any) -> Any:
    import tensorflow as tf

    style = tf.reduce_max(x, [1, 2], keepdims=True)
    return tf.nn.batch_normalization(x, *_statistics(x), style, style, EPSILON)


@pytest.mark.parametrize(
    "other",
    [
        over_the_channels, over_the_batch, over_the_whole_picture, with_epsilon_outside_the_root, without_the_mean,
        with_a_style_from_the_picture,
    ],
    ids=lambda other: other.__name__,
)  # fmt: skip
def test_what_computes_something_else_is_left_alone(other: Callable[[Any], Any]) -> None:
    network = network_with(other)

    assert found_in(network) == []
    assert fuse_instance_norms(network) == (network, 0)
