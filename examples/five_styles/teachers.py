"""
The slow way to each style: filters written by hand, whose results the network learns to give in one pass.

All take and return ``float64 [H, W, 3]``, RGB, 0.0 to 1.0.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageFilter

Pixels = np.ndarray

POSTER = np.array([[38, 24, 74], [196, 52, 66], [246, 156, 66], [255, 240, 204]]) / 255
PAPER, INK = np.array([250, 245, 230]) / 255, np.array([24, 28, 58]) / 255
COPPER = np.array([[44, 22, 16], [150, 78, 44], [224, 150, 96], [255, 236, 206]]) / 255
NIGHT = np.array([14, 12, 36]) / 255


def poster(photo: Pixels) -> Pixels:
    """Print in four flat colours from dark to light."""
    levels = 3 * _stretched(_blurred(_light(photo), 1.2))
    steps = np.floor(levels) + 0.5 + 0.5 * np.tanh(12 * (levels - np.floor(levels) - 0.5))
    return _mapped(steps / 3, POSTER)


def ink(photo: Pixels) -> Pixels:
    """Draw the edges, and fill what is dark, with ink on cream paper."""
    light = _stretched(_light(photo))
    fine = _blurred(light, 0.8)
    edges = fine - _blurred(light, 2.2)
    lines = 0.5 + 0.5 * np.tanh(30 * (edges + 0.035))
    washes = 0.5 + 0.5 * np.tanh(14 * (fine - 0.22))
    amount = (lines * (0.35 + 0.65 * washes))[..., None]
    return INK + (PAPER - INK) * amount


def watercolour(photo: Pixels) -> Pixels:
    """Let light, wet colours run together, darker where they meet."""
    image = Image.fromarray(np.round(photo * 255).astype(np.uint8)).filter(ImageFilter.MedianFilter(7))
    flat = np.asarray(image) / 255
    light = _light(flat)[..., None]
    colours = np.clip(light + 1.7 * (flat - light), 0, 1)
    edges = np.abs(_light(photo) - _blurred(_light(photo), 2.0))[..., None]
    return np.clip(1 - 0.72 * (1 - colours) ** 1.1 - 0.9 * edges, 0, 1)


def copper(photo: Pixels) -> Pixels:
    """Emboss a sheet of copper, lit from the upper left."""
    light = _blurred(_stretched(_light(photo)), 1.0)
    slope = np.roll(light, (2, 2), (0, 1)) - np.roll(light, (-2, -2), (0, 1))
    return _mapped(np.clip(0.45 - 1.3 * slope + 0.18 * (light - 0.5), 0, 1), COPPER)


def neon(photo: Pixels) -> Pixels:
    """Bend glowing tubes along the edges, in the photograph's colours, at night."""
    smooth = np.stack([_blurred(photo[..., channel], 1.0) for channel in range(3)], 2)
    down, across = np.gradient(_light(smooth))
    edges = np.hypot(down, across)
    tube = np.tanh(14 * edges)[..., None]
    glow = np.tanh(9 * _blurred(edges, 3.0))[..., None]
    light = _light(smooth)[..., None]
    colours = np.clip(0.62 + 2.6 * (smooth - light), 0, 1) * np.array([1.0, 0.8, 1.15])
    return np.clip(NIGHT + tube * colours + 0.55 * glow * colours, 0, 1)


TEACHERS: dict[str, Callable[[Pixels], Pixels]] = {
    "poster": poster,
    "ink": ink,
    "watercolour": watercolour,
    "copper": copper,
    "neon": neon,
}


def _light(photo: Pixels) -> Pixels:
    return photo @ np.array([0.299, 0.587, 0.114])


def _stretched(light: Pixels) -> Pixels:
    """Raise the contrast, the same for every picture."""
    return 0.5 + 0.5 * np.tanh(2.6 * (light - 0.45)) / np.tanh(1.43)


def _blurred(plane: Pixels, sigma: float) -> Pixels:
    radius = int(3 * sigma + 1)
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    padded = np.pad(plane, radius, mode="reflect")
    rows = np.apply_along_axis(np.convolve, 0, padded, kernel, "valid")
    return np.apply_along_axis(np.convolve, 1, rows, kernel, "valid")


def _mapped(shares: Pixels, colours: Pixels) -> Pixels:
    """Look shares from 0 to 1 up in a scale of colours."""
    places = np.linspace(0, 1, len(colours))
    return np.stack([np.interp(shares, places, colours[:, channel]) for channel in range(3)], 2)
