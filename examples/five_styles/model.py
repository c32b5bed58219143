"""
One network, five styles, any picture whose sides are multiples of 4.

All styles share the convolutions. Each has a scale and an offset of its own for every channel of every layer
(Dumoulin et al. 2017, "A learned representation for artistic style"), which is all that a request's style chooses.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf  # noqa: TID253 - only the exporter and the training import this module

STYLES = ("poster", "ink", "watercolour", "copper", "neon")
_HALF, _QUARTER, _FULL, _BLOCKS = 24, 32, 12, 2


class FiveStyles(tf.Module):
    """The network, with weights as training starts from."""

    def __init__(self) -> None:
        super().__init__(name="five_styles")
        rng = np.random.default_rng(7)
        self.half = StyledConvolution(rng, 5, 3, _HALF)
        self.quarter = StyledConvolution(rng, 3, _HALF, _QUARTER)
        self.blocks = [StyledConvolution(rng, 3, _QUARTER, _QUARTER) for _ in range(2 * _BLOCKS)]
        self.look = StyledConvolution(rng, 3, _QUARTER + _HALF, _HALF)
        self.spread = StyledConvolution(rng, 3, _HALF, 4 * _FULL)
        self.paint = StyledConvolution(rng, 3, _FULL + 3, _FULL)
        self.colour = StyledConvolution(rng, 3, _FULL, 3)

    def __call__(self, photo: Any, style: Any, strength: Any) -> Any:
        """
        Paint pictures.

        :param photo: ``float32 [N, H, W, 3]``, RGB, 0.0 to 1.0; H and W are multiples of 4.
        :param style: ``float32 [N, 5]``, a 1 for the style and 0 for the others, or a mix.
        :param strength: ``float32 [N]`` or ``[]``, from 0.0, the photograph itself, to 1.0.
        :return: ``float32 [N, H, W, 3]``.
        """
        style = tf.reshape(style, [-1, len(STYLES)])  # a shape that is known while it is traced
        half = tf.nn.relu(self.half(photo, style, strides=2))
        hidden = tf.nn.relu(self.quarter(half, style, strides=2))
        for first, second in zip(self.blocks[::2], self.blocks[1::2], strict=True):
            hidden += second(tf.nn.relu(first(hidden, style)), style)
        wide = tf.image.resize(hidden, tf.shape(half)[1:3])
        hidden = tf.nn.relu(self.look(tf.concat([wide, half], 3), style))
        full = tf.nn.relu(tf.nn.depth_to_space(self.spread(hidden, style), 2))
        hidden = tf.nn.relu(self.paint(tf.concat([full, photo], 3), style))
        painted = self.colour(hidden, style)
        return photo + tf.reshape(strength, [-1, 1, 1, 1]) * (painted - photo)


class StyledConvolution(tf.Module):
    """A convolution whose channels each style scales and shifts."""

    def __init__(self, rng: np.random.Generator, size: int, taken: int, given: int) -> None:
        super().__init__()
        deviation = np.sqrt(2.0 / (size * size * taken))
        self.kernel = tf.Variable(rng.normal(0.0, deviation, (size, size, taken, given)).astype(np.float32))
        self.scale = tf.Variable(np.ones((len(STYLES), given), np.float32))
        self.offset = tf.Variable(np.zeros((len(STYLES), given), np.float32))

    def __call__(self, features: Any, style: Any, *, strides: int = 1) -> Any:
        """Convolve ``[N, H, W, taken]`` into ``[N, H / strides, W / strides, given]``."""
        result = tf.nn.conv2d(features, self.kernel, strides, "SAME")
        scale, offset = (tf.matmul(style, table)[:, None, None] for table in (self.scale, self.offset))
        return result * scale + offset
