"""One convolution with a head for every kind of output, for graphs, for tf.Module and for Keras."""

from __future__ import annotations

import keras
import tensorflow as tf


def heads(out):
    """
    What the network answers, head by head.

    :param out: [N, h, w, 3] in -1..1.
    """
    means = tf.reduce_mean(out, (1, 2))
    boxes = tf.stack([means, means, means, means], -1)
    return {
        "picture": out,
        "labels": out,
        "logits": means,
        "score": tf.reduce_mean(means, 1),
        "numbers": boxes,
        "detection_boxes": boxes,
        "detection_scores": means,
        "detection_classes": tf.fill(tf.shape(means), 2.0),
        "num_detections": tf.fill(tf.shape(means)[:1], 3.0),
    }


def keras_heads(out):
    """The same in layers, for an .h5 does not keep operations."""
    layers = keras.layers
    means = layers.GlobalAveragePooling2D()(out)
    boxes = layers.Permute((2, 1))(layers.RepeatVector(4)(means))
    score = layers.GlobalAveragePooling1D()(layers.Reshape((3, 1))(means))
    return {
        "picture": out,
        "labels": out,
        "logits": means,
        "score": score,
        "numbers": boxes,
        "detection_boxes": boxes,
        "detection_scores": means,
        "detection_classes": layers.Rescaling(0.0, 2.0)(means),
        "num_detections": layers.Rescaling(0.0, 3.0)(score),
    }


def graph(image):
    with tf.compat.v1.variable_scope("G/conv"):
        weights = tf.compat.v1.get_variable("weights", [3, 3, 3, 3])
        offset = tf.compat.v1.get_variable("offset", [3])
    out = tf.tanh(tf.nn.conv2d(image, weights, 1, "SAME") + offset)
    return {name: tf.identity(tensor, name=name) for name, tensor in heads(out).items()}


class Model(tf.Module):
    def __init__(self):
        super().__init__()
        self.weights = tf.Variable(tf.zeros([3, 3, 3, 3]))
        self.offset = tf.Variable(tf.zeros([3]))

    def __call__(self, image):
        return heads(tf.tanh(tf.nn.conv2d(image, self.weights, 1, "SAME") + self.offset))


def model():
    return Model()


def keras_model():
    image = keras.Input((None, None, 3))
    out = keras.layers.Conv2D(3, 3, padding="same", activation="tanh", name="conv")(image)
    return keras.Model(image, keras_heads(out))
