"""The feed-forward style network of fast-style-transfer: 48 variables without names of their own."""

from __future__ import annotations

import tensorflow as tf


def network(image):
    """Numbers 0..255 in; about -22 to 278 out."""
    x = _conv(image, 32, 9, 1)
    x = _conv(x, 64, 3, 2)
    x = _conv(x, 128, 3, 2)
    for _ in range(5):
        x = x + _conv(_conv(x, 128, 3, 1), 128, 3, 1, relu=False)
    x = _up(x, 64)
    x = _up(x, 32)
    return tf.tanh(_conv(x, 3, 9, 1, relu=False)) * 150 + 127.5


def _variable(shape):
    # Unnamed, as in the original: Variable, Variable_1, ... in the order of the layers.
    return tf.compat.v1.Variable(tf.zeros(shape), name="Variable")


def _conv(x, filters, kernel, stride, *, relu=True):
    x = tf.nn.conv2d(x, _variable([kernel, kernel, x.shape[3], filters]), stride, "SAME")
    x = _normalize(x, filters)
    return tf.nn.relu(x) if relu else x


def _up(x, filters):
    weights = _variable([3, 3, filters, x.shape[3]])
    batch, height, width = (tf.shape(x)[axis] for axis in range(3))
    x = tf.nn.conv2d_transpose(x, weights, tf.stack([batch, 2 * height, 2 * width, filters]), 2, "SAME")
    return tf.nn.relu(_normalize(x, filters))


def _normalize(x, filters):
    shift, scale = _variable([filters]), _variable([filters])
    mean, variance = tf.nn.moments(x, [1, 2], keepdims=True)
    return scale * (x - mean) / (variance + 1e-3) ** 0.5 + shift
