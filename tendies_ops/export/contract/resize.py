"""Changing the size of a picture in the graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tensorflow as tf


def resize_to(pixels: tf.Tensor, size: tuple[int, int] | tf.Tensor, method: str) -> tf.Tensor:
    """
    Resize one picture with half-pixel centres, without a low-pass filter.

    :param pixels: ``[height, width, channels]``, values 0 to 255.
    :param method: ``bilinear``, ``bicubic``, ``area`` or ``nearest``.
    :return: ``float32``, clipped to 0..255 (bicubic overshoots).
    """
    import tensorflow as tf

    resized = tf.image.resize(tf.cast(pixels, tf.float32), size, method=method)
    return tf.clip_by_value(resized, 0.0, 255.0)


def mirror_to_multiple(pixels: tf.Tensor, multiple: int, margin: int = 0) -> tf.Tensor:
    """
    Pad by reflection: a margin on all sides, then right and bottom up to a multiple. Pictures may be of 1 pixel.

    :param pixels: ``[height, width, channels]``.
    """
    import tensorflow as tf

    if multiple == 1 and margin == 0:
        return pixels
    for axis in (0, 1):
        length = tf.shape(pixels)[axis]
        padded = (length + 2 * margin + multiple - 1) // multiple * multiple
        # tf.pad's REFLECT refuses more than length - 1; a triangle wave goes on for ever.
        period = tf.maximum(2 * (length - 1), 1)
        position = tf.math.floormod(tf.range(padded) - margin, period)
        pixels = tf.gather(pixels, tf.minimum(position, period - position), axis=axis)
    return pixels
