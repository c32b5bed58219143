"""The generator of CycleGAN-TensorFlow (c7s1-32, d64, d128, nine residual blocks, u64, u32, c7s1-3) under its names."""

from __future__ import annotations

import tensorflow as tf

_scope = tf.compat.v1.variable_scope
_variable = tf.compat.v1.get_variable


def generator(image, *, ngf=64, blocks=9):
    """Build it under scope G. Any picture size, any batch."""
    with _scope("G"):
        x = _conv("c7s1_32", image, ngf, kernel=7, stride=1, pad=3)
        x = _conv("d64", x, 2 * ngf, kernel=3, stride=2)
        x = _conv("d128", x, 4 * ngf, kernel=3, stride=2)
        for number in range(1, blocks + 1):
            x = _residual(f"R{4 * ngf}_{number}", x)
        x = _up("u64", x, 2 * ngf)
        x = _up("u32", x, ngf)
        with _scope("output"):
            return tf.tanh(tf.nn.conv2d(_reflect(x, 3), _variable("weights", [7, 7, ngf, 3]), 1, "VALID"))


def generator_of_one(image, **arguments):
    """The same, as the original builds it: for a batch of one and one size, written into the graph."""
    image.set_shape([1, *image.shape[1:]])
    return generator(image, **arguments)


def _conv(name, x, filters, *, kernel, stride, pad=0):
    with _scope(name):
        weights = _variable("weights", [kernel, kernel, x.shape[3], filters])
        padding = "VALID" if pad else "SAME"
        return tf.nn.relu(_normalize(tf.nn.conv2d(_reflect(x, pad), weights, stride, padding)))


def _residual(name, x):
    filters = x.shape[3]
    with _scope(name):
        h = x
        for layer in (1, 2):
            with _scope(f"layer{layer}"):
                weights = _variable(f"weights{layer}", [3, 3, filters, filters])
                h = _normalize(tf.nn.conv2d(_reflect(h, 1), weights, 1, "VALID"))
                h = tf.nn.relu(h) if layer == 1 else h
        return x + h


def _up(name, x, filters):
    with _scope(name):
        weights = _variable("weights", [3, 3, filters, x.shape[3]])
        batch, height, width = (tf.shape(x)[axis] for axis in range(3))
        shape = tf.stack([batch, 2 * height, 2 * width, filters])
        return tf.nn.relu(_normalize(tf.nn.conv2d_transpose(x, weights, shape, 2, "SAME")))


def _reflect(x, pad):
    return tf.pad(x, [[0, 0], [pad, pad], [pad, pad], [0, 0]], "REFLECT") if pad else x


def _normalize(x):
    with _scope("instance_norm"):
        scale, offset = _variable("scale", [x.shape[3]]), _variable("offset", [x.shape[3]])
        mean, variance = tf.nn.moments(x, [1, 2], keepdims=True)
        return scale * (x - mean) * tf.math.rsqrt(variance + 1e-5) + offset
