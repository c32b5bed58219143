"""Small pictures of every kind, made on the spot."""

from __future__ import annotations

import functools
import io
from pathlib import Path

import numpy as np
from PIL import Image


def noise(seed: int, size: tuple[int, int] = (16, 16), mode: str = "RGB") -> Image.Image:
    """:param size: width and height."""
    channels = len(mode) if mode != "L" else 1
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], channels), np.uint8)
    return Image.fromarray(pixels.squeeze(-1) if channels == 1 else pixels, mode)


def encoded(image: Image.Image, name: str = "PNG", **settings: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, name, **settings)
    return buffer.getvalue()


def decoded(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


@functools.cache
def png(seed: int, size: tuple[int, int] = (16, 16), mode: str = "RGB") -> bytes:
    return encoded(noise(seed, size, mode))


def inverted(data: bytes) -> bytes:
    """What a model might do: needs a whole picture of mode L or RGB, gives a PNG of the same size."""
    try:
        image = decoded(data)
    except Exception as error:
        raise ValueError(f"Invalid image: {error}") from error
    return encoded(Image.eval(image.convert("RGB"), lambda value: 255 - value), compress_level=1)


def folder_of_pngs(folder: Path, count: int, size: tuple[int, int] = (16, 16)) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        (folder / f"{number:05}.png").write_bytes(png(number, size))
    return folder
