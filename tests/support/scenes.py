"""Landscapes, and what a model that paints them over would answer."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageFilter, ImageOps


def scene(seed: int, *, width: int = 256, height: int = 192) -> Image.Image:
    """A landscape of hills under a sky, every pixel known by its seed."""
    rng = np.random.default_rng(seed)
    across = np.linspace(0, 1, width)
    rows = np.arange(height)[:, None] / height
    top, bottom = rng.uniform(90, 255, 3), rng.uniform(120, 255, 3)
    pixels = top * (1 - rows[..., None]) + bottom * rows[..., None] + np.zeros((height, width, 1))
    sun = (across[None] - rng.uniform(0.15, 0.85)) ** 2 + (rows - rng.uniform(0.1, 0.35)) ** 2 < 0.006
    pixels[sun] = (255, 244, 214)
    for layer in range(4):
        swells = [rng.uniform(0.01, 0.06) * np.sin(across * rng.uniform(3, 22) + rng.uniform(0, 7)) for _ in range(4)]
        waves = np.sum(swells, axis=0)
        pixels[rows > 0.38 + 0.15 * layer + waves[None]] = rng.uniform(20, 190 - 30 * layer, 3)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def painted(image: Image.Image, version: int) -> Image.Image:
    """What the pretended model makes of it."""
    strokes = image.filter(ImageFilter.ModeFilter(9 + 2 * version)).filter(ImageFilter.EDGE_ENHANCE_MORE)
    return ImageOps.posterize(strokes, 3 + version % 3)


def png(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()
