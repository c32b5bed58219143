"""The light CartoonGAN generator (ShuffleNetV2 units), its attributes named as the checkpoint's objects are."""

from __future__ import annotations

import tensorflow as tf


class Norm(tf.Module):
    """keras_contrib's InstanceNormalization with axis None: over height, width and channels together."""

    def __init__(self):
        super().__init__()
        self.gamma, self.beta = tf.Variable(tf.ones([1])), tf.Variable(tf.zeros([1]))

    def __call__(self, x):
        mean = tf.reduce_mean(x, [1, 2, 3], keepdims=True)
        deviation = tf.math.reduce_std(x, [1, 2, 3], keepdims=True) + 1e-3
        return (x - mean) / deviation * self.gamma + self.beta


class Conv(tf.Module):
    def __init__(self, kernel, inputs, filters, *, bias=False):
        super().__init__()
        self.kernel = tf.Variable(tf.zeros([kernel, kernel, inputs, filters]))
        self.bias = tf.Variable(tf.zeros([filters])) if bias else None

    def __call__(self, x):
        x = tf.nn.conv2d(x, self.kernel, 1, "VALID")
        return x if self.bias is None else tf.nn.bias_add(x, self.bias)


class Depthwise(tf.Module):
    def __init__(self, channels, stride):
        super().__init__()
        self.depthwise_kernel = tf.Variable(tf.zeros([3, 3, channels, 1]))
        self._stride = stride

    def __call__(self, x):
        return tf.nn.depthwise_conv2d(x, self.depthwise_kernel, [1, self._stride, self._stride, 1], "SAME")


class Relu(tf.Module):
    def __call__(self, x):
        return tf.nn.relu(x)


class Pad(tf.Module):
    def __call__(self, x):
        return tf.pad(x, [[0, 0], [2, 2], [2, 2], [0, 0]])


class Chain(tf.Module):
    """Layers under the names layer-0, layer-1, ..."""

    def __init__(self, *layers):
        super().__init__()
        self._count = len(layers)
        for number, layer in enumerate(layers):
            setattr(self, f"layer-{number}", layer)

    def __call__(self, x):
        for number in range(self._count):
            x = getattr(self, f"layer-{number}")(x)
        return x


def shuffle(x):
    """Interleave the two halves of the channels."""
    shape = tf.shape(x)
    x = tf.reshape(x, [shape[0], shape[1], shape[2], 2, x.shape[3] // 2])
    return tf.reshape(tf.transpose(x, [0, 1, 2, 4, 3]), shape)


class Flat(tf.Module):
    def __init__(self):
        super().__init__()
        self.model = Chain(Pad(), Conv(5, 3, 96, bias=True), Norm(), Relu())


class Down(tf.Module):
    def __init__(self, channels):
        super().__init__()
        self.l_model = Chain(Depthwise(channels, 2), Norm(), Conv(1, channels, channels))
        self.r_model = Chain(
            Conv(1, channels, channels), Norm(), Relu(), Depthwise(channels, 2), Norm(), Conv(1, channels, channels)
        )
        self.bn_act = Chain(Norm(), Relu())

    def __call__(self, x):
        return shuffle(self.bn_act(tf.concat([self.l_model(x), self.r_model(x)], 3)))


class Basic(tf.Module):
    def __init__(self, channels):
        super().__init__()
        half = channels // 2
        self.model = Chain(
            Conv(1, half, half), Norm(), Relu(), Depthwise(half, 1), Norm(), Conv(1, half, half), Norm(), Relu()
        )

    def __call__(self, x):
        left, right = tf.split(x, 2, 3)
        return shuffle(tf.concat([left, self.model(right)], 3))


class Up(tf.Module):
    """Twice the size, bilinear as TensorFlow 1 did it: today's tf.image.resize gives other pixels."""

    def __init__(self, inputs, filters):
        super().__init__()
        self.model = Chain(Conv(1, inputs, filters, bias=True), Basic(filters))

    def __call__(self, x):
        return self.model(tf.compat.v1.image.resize_bilinear(x, 2 * tf.shape(x)[1:3], align_corners=False))


class Generator(tf.Module):
    def __init__(self):
        super().__init__()
        self.flat_conv1 = Flat()
        self.down_conv1, self.down_conv2 = Down(96), Down(192)
        self.residual_blocks = Chain(*[Basic(384) for _ in range(8)])
        self.up_conv1, self.up_conv2 = Up(384, 192), Up(192, 96)
        self.final_conv = Chain(Pad(), Conv(5, 96, 3, bias=True))

    def __call__(self, x):
        x = self.flat_conv1.model(x)
        x = self.residual_blocks(self.down_conv2(self.down_conv1(x)))
        return tf.tanh(self.final_conv(self.up_conv2(self.up_conv1(x))))


def generator():
    return Generator()
