"""
The CycleGAN generator, as a TensorFlow 1 graph, under the variable names that CycleGAN-TensorFlow gives it.

The layers carry the names they have there whatever their width is: ``c7s1_32``, ``d64``, ``d128``, ``u64``, ``u32``,
``output``; only the residual blocks say their real depth (``R128_1`` when ``ngf`` is 32). Architecture:
Zhu et al. 2017, "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks", appendix 7.2.
"""

from __future__ import annotations

from typing import Any

NORM_EPSILON = 1e-5


def generator(images: Any, *, name: str = "G", ngf: int = 32, residual_blocks: int = 1) -> Any:
    """
    Build the generator in the current graph.

    As in the code of 2018 the shape is fixed, batch included: transposed convolutions get their output's shape.

    :param images: ``float32 [N, H, W, 3]``, -1.0 to 1.0; N known, H and W known multiples of 4.
    :param name: variable scope. CycleGAN calls the generators ``G`` and, for the way back, ``F``.
    :param ngf: filters of the first layer; the others are multiples of it.
    :param residual_blocks: how many residual blocks stand in the middle.
    :return: ``float32 [N, H, W, 3]``, -1.0 to 1.0.
    """
    tf = _tf1()
    with tf.variable_scope(name, reuse=tf.AUTO_REUSE):
        hidden = _convolution(images, ngf, kernel_size=7, name="c7s1_32")
        hidden = _convolution(hidden, 2 * ngf, kernel_size=3, stride=2, name="d64")
        hidden = _convolution(hidden, 4 * ngf, kernel_size=3, stride=2, name="d128")
        for index in range(1, residual_blocks + 1):
            hidden = _residual_block(hidden, name=f"R{4 * ngf}_{index}")
        hidden = _transposed_convolution(hidden, 2 * ngf, name="u64")
        hidden = _transposed_convolution(hidden, ngf, name="u32")
        with tf.variable_scope("output"):
            return tf.tanh(_padded_convolution(hidden, _weights("weights", (7, 7, ngf, 3))))


def discriminator(images: Any, *, name: str, ndf: int = 32) -> Any:
    """
    Build a patch discriminator; it is needed for training only and is not in the checkpoint.

    :param images: ``float32 [N, H, W, 3]``, -1.0 to 1.0.
    :param name: variable scope.
    :param ndf: filters of the first layer.
    :return: ``float32 [N, H / 8, W / 8, 1]``: near 1 where it takes the picture for a real one.
    """
    tf = _tf1()
    hidden = images
    with tf.variable_scope(name, reuse=tf.AUTO_REUSE):
        for index, depth in enumerate((ndf, 2 * ndf, 4 * ndf)):
            with tf.variable_scope(f"C{index}"):
                weights = _weights("weights", (4, 4, int(hidden.shape[-1]), depth))
                hidden = tf.nn.conv2d(hidden, weights, strides=2, padding="SAME")
                hidden = tf.nn.leaky_relu(hidden if index == 0 else _instance_norm(hidden), 0.2)
        with tf.variable_scope("output"):
            return tf.nn.conv2d(hidden, _weights("weights", (4, 4, 4 * ndf, 1)), strides=1, padding="SAME")


def _tf1() -> Any:
    import tensorflow as tf

    return tf.compat.v1


def _convolution(images: Any, depth: int, *, kernel_size: int, name: str, stride: int = 1) -> Any:
    tf = _tf1()
    with tf.variable_scope(name):
        weights = _weights("weights", (kernel_size, kernel_size, int(images.shape[-1]), depth))
        if stride == 1:
            result = _padded_convolution(images, weights)
        else:
            result = tf.nn.conv2d(images, weights, strides=stride, padding="SAME")
        return tf.nn.relu(_instance_norm(result))


def _residual_block(images: Any, *, name: str) -> Any:
    tf = _tf1()
    depth = int(images.shape[-1])
    with tf.variable_scope(name):
        with tf.variable_scope("layer1"):
            weights = _weights("weights1", (3, 3, depth, depth))
            hidden = tf.nn.relu(_instance_norm(_padded_convolution(images, weights)))
        with tf.variable_scope("layer2"):
            weights = _weights("weights2", (3, 3, depth, depth))
            return images + _instance_norm(_padded_convolution(hidden, weights))


def _transposed_convolution(images: Any, depth: int, *, name: str) -> Any:
    tf = _tf1()
    batch_size, height, width, input_depth = (int(size) for size in images.shape)
    with tf.variable_scope(name):
        weights = _weights("weights", (3, 3, depth, input_depth))
        shape = (batch_size, 2 * height, 2 * width, depth)
        result = tf.nn.conv2d_transpose(images, weights, output_shape=shape, strides=2, padding="SAME")
        return tf.nn.relu(_instance_norm(result))


def _padded_convolution(images: Any, weights: Any) -> Any:
    tf = _tf1()
    margin = int(weights.shape[0]) // 2
    padded = tf.pad(images, ((0, 0), (margin, margin), (margin, margin), (0, 0)), mode="REFLECT")
    return tf.nn.conv2d(padded, weights, strides=1, padding="VALID")


def _instance_norm(images: Any) -> Any:
    """Each picture and channel by its own mean and deviation (Ulyanov et al. 2016), so a batch changes nothing."""
    tf = _tf1()
    depth = int(images.shape[-1])
    with tf.variable_scope("instance_norm"):
        scale = tf.get_variable("scale", (depth,), initializer=tf.random_normal_initializer(1.0, 0.02))
        offset = tf.get_variable("offset", (depth,), initializer=tf.zeros_initializer())
        mean, variance = tf.nn.moments(images, axes=[1, 2], keepdims=True)
        return scale * (images - mean) * tf.math.rsqrt(variance + NORM_EPSILON) + offset


def _weights(name: str, shape: tuple[int, ...]) -> Any:
    tf = _tf1()
    return tf.get_variable(name, shape, initializer=tf.random_normal_initializer(0.0, 0.02))
