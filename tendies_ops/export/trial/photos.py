"""The pictures of a trial: cut to a square, at the size that the network takes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from tendies_ops.errors import UsageError
from tendies_ops.spec import InputContract
from tendies_ops.spec.input_contract import Size

Pixels = NDArray[np.uint8]
_SIDE = 160  #: of networks that take every size; a multiple of every usual stride
_MODES = {1: "L", 3: "RGB", 4: "RGBA"}


def read_photos(paths: Sequence[Path], contract: InputContract) -> list[Pixels]:
    """
    Read pictures, or make some if none are given.

    :return: ``uint8 [height, width, channels]`` each, of one size.
    :raises UsageError: one cannot be read.
    """
    size = (contract.size.width, contract.size.height) if contract.size else (_SIDE, _SIDE)
    images = [_opened(path) for path in paths] or made_photos()
    return [_pixels(ImageOps.fit(image, size, Image.Resampling.BOX), contract.channels) for image in images]


def sizes_of(paths: Sequence[Path]) -> list[Size]:
    """Return the size of each picture."""
    return [Size(height=image.height, width=image.width) for image in map(_opened, paths)]


def _opened(path: Path) -> Image.Image:
    try:
        with Image.open(path) as image:
            return ImageOps.exif_transpose(image).convert("RGB")
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise UsageError(f"The picture {path} cannot be read: {error}. Leave it out of --pictures.") from error


def _pixels(image: Image.Image, channels: int) -> Pixels:
    pixels: Pixels = np.asarray(image.convert(_MODES[channels]))
    return pixels.reshape(*pixels.shape[:2], channels)


def made_photos() -> list[Image.Image]:
    """
    Make pictures with the traits of photographs that a trial needs: all tones, soft and hard edges, related colours.

    A bright sky of blue over a ground of brown and green, with round things of every colour that hide each other.
    """
    random = np.random.default_rng(2018)
    return [Image.fromarray(_scene(random)) for _ in range(4)]


def _scene(random: np.random.Generator, side: int = 256) -> Pixels:
    y, x = np.mgrid[0:side, 0:side] / side
    horizon = random.uniform(0.3, 0.6)
    sky = np.array([150, 185, 235]) * (1.05 - 0.35 * y)[..., None]
    ground = np.array([120, 100, 60]) * (0.35 + 0.9 * y)[..., None]
    scene = np.where((y < horizon)[..., None], sky, ground) * (1 + 0.35 * _clouds(random, side))[..., None]
    for _ in range(14):
        centre, radius = random.uniform(0, 1, 2), random.uniform(0.04, 0.22)
        distance = np.hypot(y - centre[0], x - centre[1]) / radius
        color = _color(random) * (1.15 - 0.5 * distance + 0.2 * (centre[1] - x) / radius)[..., None]
        scene = np.where((distance < 1)[..., None], color, scene)
    pixels: Pixels = np.clip(scene + random.normal(0, 4, scene.shape), 0, 255).astype(np.uint8)
    return pixels


def _color(random: np.random.Generator) -> NDArray[Any]:
    """Return a colour of which the channels are related, as those of things are: more often warm than blue."""
    grey = random.uniform(10, 235)
    return np.clip(grey + np.array([30, 5, -25]) * random.uniform(-1, 2) + random.normal(0, 15, 3), 0, 255)


def _clouds(random: np.random.Generator, side: int) -> NDArray[Any]:
    """Return noise of which each octave is as strong as its size, of mean 0 and deviation 1."""
    frequencies = np.hypot(*np.meshgrid(np.fft.fftfreq(side), np.fft.fftfreq(side)))
    spectrum = np.fft.fft2(random.normal(size=(side, side))) / np.maximum(frequencies, 1 / side)
    field: NDArray[Any] = np.fft.ifft2(spectrum).real
    field -= field.mean()
    field /= field.std()
    return field
