"""Networks of one convolution, and builders that go wrong in every way."""

from __future__ import annotations

import os
import subprocess

import tensorflow as tf


def graph(image, *, filters=3):
    with tf.compat.v1.variable_scope("G/conv"):
        weights = tf.compat.v1.get_variable("weights", [3, 3, image.shape[3], filters])
        offset = tf.compat.v1.get_variable("offset", [filters])
        return tf.tanh(tf.nn.conv2d(image, weights, 1, "SAME") + offset, name="out")


def graph_while_the_trainer_writes(image, file):
    os.utime(file, ns=(1, 1))
    return graph(image)


def graph_under_another_name(image):
    with tf.compat.v1.variable_scope("Generator/conv"):
        weights = tf.compat.v1.get_variable("kernel", [3, 3, 3, 3])
        offset = tf.compat.v1.get_variable("offset", [3])
        return tf.tanh(tf.nn.conv2d(image, weights, 1, "SAME") + offset)


def graph_with_dropout(image):
    training = tf.compat.v1.placeholder(tf.bool, [], name="is_training")
    out = graph(image)
    return tf.cond(training, lambda: tf.zeros_like(out), lambda: out)


def graph_that_mixes_the_batch(image):
    return tf.tanh(graph(image) + tf.reduce_mean(image, [0, 1, 2], keepdims=True))


def two_pictures(image):
    out = graph(image)
    return {"day": out, "night": -out}


def classifier(image):
    return tf.reduce_mean(graph(image, filters=3), [1, 2])


def scorer(image):
    return tf.reduce_mean(graph(image), [1, 2, 3])[:, None]


def segmenter(image):
    return graph(image)


def with_alpha(image):
    out = graph(image)
    return tf.concat([out, tf.ones_like(out[..., :1])], -1)


def mask(image):
    return graph(image)[..., :1] > 0


def twice_as_large(image):
    return tf.repeat(tf.repeat(graph(image), 2, axis=1), 2, axis=2)


def half_as_large(image):
    return graph(image)[:, ::2, ::2]


def bytes_of_a_picture(image):
    return tf.cast(graph(image) * 127.5 + 127.5, tf.uint8)


def class_numbers_above_255(image):
    return tf.argmax(graph(image), -1, tf.int32) + 300


def boxes_without_a_batch(image):
    return tf.reshape(graph(image), [-1, 3])[:10]


def text_beside_a_picture(image):
    return {"output": graph(image), "licence": tf.fill([tf.shape(image)[0]], "free")}


def a_name_with_a_space(image):
    return {"my picture": graph(image)}


def sizes_that_need_a_multiple_of_8(image):
    out = graph(image)
    check = tf.debugging.Assert(tf.equal(tf.shape(image)[1] % 8, 0), ["rows must be a multiple of 8"])
    with tf.control_dependencies([check]):
        return tf.identity(out)


def slow(image):
    """Prints what looks like an answer, starts a process of its own, and takes its time."""
    print('{"done": {}}', flush=True)
    with subprocess.Popen(["sleep", "61.5"]) as sleeper:
        sleeper.wait()


def raises(image):
    raise ValueError("ngf must be positive")


def returns_nothing(image):
    graph(image)


def returns_text(image):
    return "the output"


def returns_empty(image):
    return {}


def returns_a_constant_graph(image):
    return tf.reduce_mean(graph(image))


def nan(image):
    return tf.math.log(graph(image) - 5.0)


class Model(tf.Module):
    def __init__(self, filters=3):
        super().__init__()
        self.weights = tf.Variable(tf.zeros([3, 3, 3, filters]))
        self.offset = tf.Variable(tf.zeros([filters]))

    def __call__(self, image):
        return tf.tanh(tf.nn.conv2d(image, self.weights, 1, "SAME") + self.offset)


class Renamed(tf.Module):
    def __init__(self):
        super().__init__()
        self.kernel = tf.Variable(tf.zeros([3, 3, 3, 3]))
        self.offset = tf.Variable(tf.zeros([3]))

    def __call__(self, image):
        return tf.tanh(tf.nn.conv2d(image, self.kernel, 1, "SAME") + self.offset)


def model(filters=3):
    return Model(filters)


def renamed_model():
    return Renamed()


def not_a_model():
    return [1, 2, 3]


def keras_model():
    import keras

    image = keras.Input((None, None, 3))
    return keras.Model(image, keras.layers.Conv2D(3, 3, padding="same", activation="tanh", name="conv")(image))
