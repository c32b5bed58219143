"""Making and reading picture files in tests."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def png(pixels: NDArray[Any]) -> bytes:
    """Encode ``uint8 [height, width(, channels)]``."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def jpeg(pixels: NDArray[Any], quality: int = 95) -> bytes:
    """Encode ``uint8 [height, width(, 3)]``."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=quality)
    return stream.getvalue()


def pixels_of(data: bytes) -> NDArray[np.uint8]:
    """Decode a file as it is."""
    return np.array(Image.open(io.BytesIO(data)))


def random_pixels(height: int, width: int, channels: int = 3, seed: int = 0) -> NDArray[np.uint8]:
    """Noise; one channel gives ``[height, width]``."""
    shape = (height, width) if channels == 1 else (height, width, channels)
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)
