"""
The brush stroke network: fully convolutional, one pass, any picture whose sides are multiples of 4.

Half of it looks at the photograph and says what colour and which direction each place has. The other half is a small
tile of canvas noise, smeared by learned filters in several directions. The photograph's half gates the canvas' half, so
strokes turn with the picture and an empty sky has strokes as well.
"""

from __future__ import annotations

from typing import Any

import keras  # noqa: TID253 - it defines a layer; only the exporter and the training import this module
import numpy as np
from canvas import CANVAS_SIZE, canvas_noise
from keras import layers, ops  # noqa: TID253 - same

FILTER_SIZE = 15


@keras.saving.register_keras_serializable(package="tendies_examples")
class SmearedCanvas(layers.Layer):
    """
    Puts the canvas tile, smeared by learned filters, over a picture of any size.

    :param filters: how many smearings there are.
    """

    def __init__(self, filters: int, **options: Any) -> None:
        super().__init__(**options)
        self.filters = filters

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the fixed noise and the filters, which start as brushes that point in evenly spread directions."""
        del input_shape
        self.noise = self.add_weight(
            name="noise", shape=(1, CANVAS_SIZE, CANVAS_SIZE, 1), trainable=False, initializer="zeros"
        )
        self.noise.assign(canvas_noise()[None, :, :, None])
        self.kernel = self.add_weight(
            name="kernel", shape=(FILTER_SIZE, FILTER_SIZE, 1, self.filters), initializer="zeros"
        )
        self.kernel.assign(_directed_brushes(self.filters))

    def call(self, features: Any) -> Any:
        """
        Smear the tile and repeat it.

        :param features: ``float32 [N, H, W, C]``, of which only N, H and W matter.
        :return: ``float32 [N, H, W, filters]``.
        """
        margin = FILTER_SIZE // 2
        wrapped = ops.concatenate([self.noise[:, -margin:], self.noise, self.noise[:, :margin]], axis=1)
        wrapped = ops.concatenate([wrapped[:, :, -margin:], wrapped, wrapped[:, :, :margin]], axis=2)
        tile = ops.conv(wrapped, self.kernel, padding="valid")
        batch_size, height, width, _ = ops.shape(features)
        repeats = ((batch_size, 1, 1, 1), (height, width))
        rows, columns = (-(-size // CANVAS_SIZE) for size in repeats[1])
        return ops.tile(ops.tile(tile, (1, rows, columns, 1))[:, :height, :width], repeats[0])

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Keep the size, change the depth."""
        return (*input_shape[:3], self.filters)

    def get_config(self) -> dict[str, Any]:
        """Give the arguments of the constructor."""
        return {**super().get_config(), "filters": self.filters}


@keras.saving.register_keras_serializable(package="tendies_examples")
class BilinearDoubling(layers.Layer):
    """Doubles height and width. Keras' own UpSampling2D cannot be traced where they are unknown."""

    def call(self, features: Any) -> Any:
        """Turn ``[N, H, W, C]`` into ``[N, 2 H, 2 W, C]``."""
        _, height, width, depth = ops.shape(features)
        before = ops.concatenate([features[:, :1], features[:, :-1]], axis=1)
        after = ops.concatenate([features[:, 1:], features[:, -1:]], axis=1)
        rows = ops.stack([0.75 * features + 0.25 * before, 0.75 * features + 0.25 * after], axis=2)
        rows = ops.reshape(rows, (-1, 2 * height, width, depth))
        before = ops.concatenate([rows[:, :, :1], rows[:, :, :-1]], axis=2)
        after = ops.concatenate([rows[:, :, 1:], rows[:, :, -1:]], axis=2)
        columns = ops.stack([0.75 * rows + 0.25 * before, 0.75 * rows + 0.25 * after], axis=3)
        return ops.reshape(columns, (-1, 2 * height, 2 * width, depth))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Double what is known."""
        batch_size, height, width, depth = input_shape
        return (batch_size, height and 2 * height, width and 2 * width, depth)


def build_model(*, width: int = 24, directions: int = 24, residual_blocks: int = 4) -> keras.Model:
    """
    Build the network without trained weights.

    :param width: filters at half resolution; there are twice as many at quarter resolution.
    :param directions: smearings of the canvas.
    :param residual_blocks: at quarter resolution, with dilations 1, 2, 4, 1, ...
    :return: model from ``float32 [N, H, W, 3]``, RGB, 0.0 to 1.0, to the same; H and W are multiples of 4.
    """
    photo = keras.Input((None, None, 3), name="photo")
    half = _convolution(2 * width, 5, strides=2, name="half")(photo)
    hidden = _convolution(2 * width, 3, strides=2, name="quarter")(half)
    for index in range(residual_blocks):
        hidden = _residual_block(hidden, dilation=(1, 2, 4, 1)[index % 4], name=f"residual_{index + 1}")
    hidden = BilinearDoubling(name="to_half")(hidden)
    hidden = layers.Concatenate(name="with_half")([hidden, half])
    hidden = _convolution(2 * width, 3, name="look")(hidden)
    gates = layers.Conv2D(directions, 3, padding="same", name="gates")(hidden)
    strokes = layers.Multiply(name="strokes")([gates, SmearedCanvas(directions, name="canvas")(gates)])
    hidden = layers.Concatenate(name="with_strokes")([hidden, strokes])
    hidden = _convolution(2 * width, 3, name="mix")(hidden)
    hidden = _convolution(2 * width, 3, name="shade")(hidden)
    hidden = layers.Conv2D(4 * 12, 3, padding="same", name="spread")(hidden)
    hidden = layers.Conv2DTranspose(12, 4, strides=2, padding="same", activation="relu", name="to_full")(hidden)
    hidden = layers.Concatenate(name="with_photo")([hidden, photo])
    painted = layers.Conv2D(3, 3, padding="same", name="paint")(hidden)
    return keras.Model(photo, painted, name="brush_strokes")


def custom_layers() -> dict[str, type[layers.Layer]]:
    """Name the layers that a ``.keras`` file of this network needs: what the exporter asks the builder for."""
    return {"BilinearDoubling": BilinearDoubling, "SmearedCanvas": SmearedCanvas}


def _convolution(filters: int, kernel_size: int, *, name: str, strides: int = 1) -> layers.Layer:
    return layers.Conv2D(filters, kernel_size, strides=strides, padding="same", activation="relu", name=name)


def _residual_block(hidden: Any, *, dilation: int, name: str) -> Any:
    filters = hidden.shape[-1]
    inner = layers.Conv2D(filters, 3, padding="same", dilation_rate=dilation, activation="relu", name=f"{name}_first")(
        hidden
    )
    inner = layers.Conv2D(filters, 3, padding="same", kernel_initializer="zeros", name=f"{name}_second")(inner)
    return layers.Add(name=f"{name}_sum")([hidden, inner])


def _directed_brushes(count: int) -> np.ndarray:
    """Draw ``[FILTER_SIZE, FILTER_SIZE, 1, count]`` long Gaussians, turned step by step through half a circle."""
    axis = np.arange(FILTER_SIZE) - FILTER_SIZE // 2
    y, x = np.meshgrid(axis, axis, indexing="ij")
    brushes = []
    for angle in np.pi * np.arange(count) / count:
        along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
        brush = np.exp(-0.5 * (along / 3.2) ** 2 - 0.5 * (across / 0.8) ** 2)
        brushes.append(brush / np.sqrt((brush**2).sum()))
    return np.stack(brushes, axis=-1)[:, :, None, :].astype(np.float32)
