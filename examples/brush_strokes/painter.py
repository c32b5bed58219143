"""
The painter: brush strokes that follow a picture, drawn the slow way with numpy. The network learns to do it in one go.

Every pixel's stroke runs along the picture's edges (structure tensor), its height is canvas noise smeared along that
direction (line integral convolution, Cabral and Leedom 1993), and light falls on the height from the upper left as on
thick paint.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from canvas import NOISE_SEED, canvas_noise
from PIL import Image
from scipy.ndimage import gaussian_filter, map_coordinates


@dataclass(frozen=True)
class Brush:
    """How the strokes look. Lengths in pixels, the rest without unit."""

    stroke_length_px: float = 26.0
    stroke_width_px: float = 2.6
    edge_scale_px: float = 3.0
    field_scale_px: float = 9.0
    relief: float = 1.0
    colour_change: float = 0.16
    saturation: float = 1.25
    palette_pull: float = 0.35


def tiled_canvas(height: int, width: int, seed: int = NOISE_SEED) -> np.ndarray:
    """Put the tile over a picture from its upper left corner: ``float32 [height, width]``, twice enlarged."""
    tile = np.kron(canvas_noise(seed), np.ones((2, 2), dtype=np.float32))
    rows, columns = -(-height // tile.shape[0]), -(-width // tile.shape[1])
    return np.tile(tile, (rows, columns))[:height, :width]


def stroke_field(photo: np.ndarray, brush: Brush) -> tuple[np.ndarray, np.ndarray]:
    """
    Find the direction of the stroke at every pixel: along the strongest edge nearby.

    :param photo: ``float [H, W, 3]``, 0.0 to 1.0.
    :return: vertical and horizontal part of a unit vector, each ``float [H, W]``. Where nothing is, strokes fall to
        the right.
    """
    grey = gaussian_filter(photo.mean(axis=2), 1.5, mode="reflect")
    dy, dx = np.gradient(grey)

    def smooth(product: np.ndarray) -> np.ndarray:
        near = gaussian_filter(product, brush.edge_scale_px, mode="reflect")
        return near + 0.3 * gaussian_filter(product, brush.field_scale_px, mode="reflect")

    yy, xx, xy = smooth(dy * dy), smooth(dx * dx), smooth(dx * dy)
    # A weak edge everywhere, so that an empty sky has a direction too: gradient (1, -1)/sqrt(2), strokes along (1, 1).
    bias = 2e-5
    yy, xx, xy = yy + bias, xx + bias, xy - bias
    angle = 0.5 * np.arctan2(2 * xy, xx - yy) + np.pi / 2
    return np.sin(angle), np.cos(angle)


def smear(values: np.ndarray, field: tuple[np.ndarray, np.ndarray], length_px: float) -> np.ndarray:
    """
    Average ``values`` along the field's lines, with a round window ``length_px`` long on both sides together.

    :param values: ``float [H, W]`` or ``float [H, W, C]``.
    :return: the same shape.
    """
    planes = values[..., None] if values.ndim == 2 else values
    half = max(1, round(length_px / 2))
    total, weights = planes.astype(np.float64), 1.0
    for direction in (1.0, -1.0):
        for step, (y, x) in enumerate(_walk(field, half, direction), start=1):
            weight = np.cos(0.5 * np.pi * step / (half + 1)) ** 2
            samples = [
                map_coordinates(planes[..., c], (y, x), order=1, mode="reflect") for c in range(planes.shape[-1])
            ]
            total = total + weight * np.stack(samples, axis=-1)
            weights += weight
    return (total / weights).reshape(values.shape)


def _walk(
    field: tuple[np.ndarray, np.ndarray], steps: int, direction: float
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Walk one pixel at a time along the field from every pixel, never turning back where the field's sign flips."""
    height, width = field[0].shape
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    last_y, last_x = field[0] * direction, field[1] * direction
    for _ in range(steps):
        rows, columns = np.clip(np.rint(y), 0, height - 1).astype(int), np.clip(np.rint(x), 0, width - 1).astype(int)
        step_y, step_x = field[0][rows, columns], field[1][rows, columns]
        sign = np.where(step_y * last_y + step_x * last_x < 0, -1.0, 1.0)
        last_y, last_x = step_y * sign, step_x * sign
        y, x = y + last_y, x + last_x
        yield y, x


def stroke_height(field: tuple[np.ndarray, np.ndarray], brush: Brush, seed: int = NOISE_SEED) -> np.ndarray:
    """Return the thickness of the paint: ``float [H, W]``, mean about 0, deviation about 1, ridges along the field."""
    noise = gaussian_filter(tiled_canvas(*field[0].shape, seed=seed), brush.stroke_width_px / 2, mode="wrap")
    height = smear(noise, field, brush.stroke_length_px)
    return np.asarray(np.tanh(1.2 * height / height.std()))


def palette_of(style_picture: Image.Image, colours: int = 10) -> np.ndarray:
    """Pick the style picture's main colours by median cut: ``float [colours, 3]``, 0.0 to 1.0."""
    reduced = style_picture.convert("RGB").quantize(colours, method=Image.Quantize.MEDIANCUT)
    return np.asarray(reduced.getpalette()[: 3 * colours], dtype=np.float64).reshape(-1, 3) / 255.0


def pull_to_palette(colours: np.ndarray, palette: np.ndarray, strength: float) -> np.ndarray:
    """
    Move colours towards the palette's, the near ones counting most.

    :param colours: ``float [H, W, 3]``.
    :param palette: ``float [K, 3]``.
    :param strength: 0.0 leaves them alone, 1.0 allows the palette's mixtures only.
    :return: ``float [H, W, 3]``.
    """
    distance = ((colours[:, :, None, :] - palette) ** 2).sum(axis=-1)
    weights = np.exp(-(distance - distance.min(axis=-1, keepdims=True)) / 0.02)
    nearest = (weights[..., None] * palette).sum(axis=2) / weights.sum(axis=-1, keepdims=True)
    return np.asarray(colours + strength * (nearest - colours))


def paint(photo: np.ndarray, brush: Brush, palette: np.ndarray | None = None, seed: int = NOISE_SEED) -> np.ndarray:
    """
    Paint a picture over.

    :param photo: ``float [H, W, 3]``, 0.0 to 1.0.
    :param brush: how.
    :param palette: colours to lean towards, ``float [K, 3]``; None keeps the photograph's.
    :param seed: of the canvas noise.
    :return: ``float32 [H, W, 3]``, 0.0 to 1.0.
    """
    field = stroke_field(photo, brush)
    height = stroke_height(field, brush, seed)
    flowed = smear(gaussian_filter(photo, (1.0, 1.0, 0), mode="reflect"), field, brush.stroke_length_px * 0.5)
    if palette is not None:
        flowed = pull_to_palette(flowed, palette, brush.palette_pull)
    # Neighbouring strokes have colours a little apart, as from a brush that was dipped again.
    colour = flowed + brush.colour_change * height[..., None] * np.array([1.0, 0.85, 0.55])
    grey = colour.mean(axis=2, keepdims=True)
    colour = grey + brush.saturation * (colour - grey)
    dy, dx = np.gradient(gaussian_filter(height, 0.7))
    light = brush.relief * (dy + dx) * 0.22
    return np.clip(colour + light[..., None], 0.0, 1.0).astype(np.float32)
