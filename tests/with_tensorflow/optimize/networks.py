"""Small networks of every structure that a rewrite looks for, with seeded weights, and a way to run them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf  # noqa: TID253 - a helper of tests that have imported it

from tendies_ops.export.network import FrozenNetwork

PICTURE = np.random.default_rng(5).uniform(-1, 1, (2, 16, 24, 3)).astype(np.float32)


def built(build: Callable[[Any], Any]) -> FrozenNetwork:
    """Freeze a network from a function that makes it out of constants."""
    with tf.Graph().as_default() as graph:
        image = tf.compat.v1.placeholder(tf.float32, [None, None, None, 3], name="image")
        output = tf.identity(build(image), name="answer")
    return FrozenNetwork(graph.as_graph_def(), {"image": image.name}, {"output": output.name})


def run(network: FrozenNetwork, picture: Any = PICTURE) -> np.ndarray:
    """Answer one batch."""
    with tf.Graph().as_default() as graph:
        tf.graph_util.import_graph_def(network.graph_def, name="")
    with tf.compat.v1.Session(graph=graph) as session:
        answer: np.ndarray = session.run(network.outputs["output"], {network.inputs["image"]: picture})
        return answer


def operations(network: FrozenNetwork) -> list[str]:
    """Kinds of the nodes, in order."""
    return [node.op for node in network.graph_def.node]


def weights(*shape: int, seed: int = 1) -> Any:
    """Seeded filters that keep numbers near 1."""
    scale = 1.5 / np.sqrt(np.prod(shape[:-1]))
    return tf.constant(np.random.default_rng(seed).normal(0, scale, shape).astype(np.float32))


def instance_norm(x: Any) -> Any:
    """As CycleGAN's code writes it."""
    depth = x.shape[3]
    mean, variance = tf.nn.moments(x, [1, 2], keepdims=True)
    scale, offset = (tf.constant(np.linspace(low, 1.5, depth).astype(np.float32)) for low in (0.5, -1.0))
    return scale * (x - mean) * tf.math.rsqrt(variance + 1e-5) + offset


def generator(image: Any) -> Any:
    """A CycleGAN generator in small: reflection, strides, a residual block, a transposed convolution, tanh."""
    x = tf.pad(image, [[0, 0], [3, 3], [3, 3], [0, 0]], "REFLECT")
    x = tf.nn.relu(instance_norm(tf.nn.conv2d(x, weights(7, 7, 3, 8), 1, "VALID")))
    x = tf.nn.relu(instance_norm(tf.nn.conv2d(x, weights(3, 3, 8, 16), 2, "SAME")))
    inner = tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], "REFLECT")
    x = x + instance_norm(tf.nn.conv2d(inner, weights(3, 3, 16, 16), 1, "VALID"))
    shape = tf.stack([tf.shape(x)[0], 2 * tf.shape(x)[1], 2 * tf.shape(x)[2], 8])
    x = tf.nn.relu(instance_norm(tf.nn.conv2d_transpose(x, weights(3, 3, 8, 16), shape, 2, "SAME")))
    return tf.tanh(tf.nn.conv2d(x, weights(7, 7, 8, 3), 1, "SAME"))


def batch_normalized(image: Any) -> Any:
    """Convolution, batch normalisation with fixed statistics, activation, convolution."""
    x = tf.nn.conv2d(image, weights(3, 3, 3, 8), 1, "SAME")
    vectors = [tf.constant(np.linspace(low, 2.0, 8).astype(np.float32)) for low in (0.5, -1.0, -0.5, 0.1)]
    x, _, _ = tf.compat.v1.nn.fused_batch_norm(x, *vectors, is_training=False)
    return tf.nn.conv2d(tf.nn.relu(x), weights(3, 3, 8, 3), 1, "SAME")


def biased(image: Any) -> Any:
    """Convolutions with bias and activation, joined, as Keras builds them."""
    parts = []
    for seed in (1, 2):
        x = tf.nn.conv2d(image, weights(3, 3, 3, 8, seed=seed), 1, "SAME")
        parts.append(tf.nn.relu(tf.nn.bias_add(x, tf.constant(np.linspace(-1, 1, 8).astype(np.float32)))))
    x = tf.nn.conv2d(tf.concat(parts, 3), weights(3, 3, 16, 8), 1, "SAME")
    return tf.nn.conv2d(tf.nn.relu(x), weights(3, 3, 8, 3), 1, "SAME")


def repeated(image: Any) -> Any:
    """Control flow: how often it convolves depends on the picture."""
    kernel = weights(3, 3, 3, 3)
    return tf.while_loop(
        lambda count, _: count < tf.shape(image)[0], lambda count, x: (count + 1, tf.nn.conv2d(x, kernel, 1, "SAME")),
        [tf.constant(0), image],
    )[1]  # fmt: skip


def called(image: Any) -> Any:
    """The generator behind two calls of functions, as Keras models and SavedModels have it."""
    inner = tf.function(generator, autograph=False)
    outer = tf.function(lambda picture: inner(picture) * tf.constant(1.0), autograph=False)
    return outer(image)
