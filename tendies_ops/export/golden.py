"""The golden images: the pictures that an export is proved on, given or made from a seed."""

from __future__ import annotations

import io
import itertools
from collections.abc import Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tendies_ops.errors import SpecError
from tendies_ops.spec import InputContract

_SEED = 2018
#: Height and width: a common one twice (a batch of equals), one smaller, one odd both ways.
_FREE_SIZES = ((64, 64), (64, 64), (48, 80), (37, 53))


@dataclass(frozen=True)
class GoldenImage:
    """One file to send."""

    name: str
    file_name: str
    data: bytes


def golden_images(
    paths: Sequence[Path], contract: InputContract, own_pictures: Sequence[Path] = ()
) -> list[GoldenImage]:
    """
    Read the given pictures, or make some.

    :param own_pictures: go before those that are made.
    :raises SpecError: a given one cannot be read or is not a PNG or JPEG.
    """
    images: list[GoldenImage] = []
    for number, path in enumerate(paths or own_pictures):
        images.append(_read(path, number, taken={image.name for image in images}))
    return images if paths else images + _made(contract, len(images))


def company_for(size: tuple[int, int]) -> GoldenImage:
    """
    Make one more picture of a size, other than any golden one of that size.

    :param size: height and width.
    """
    return GoldenImage("company", "company.png", _encode(_noise(np.random.default_rng(_SEED + 1), *size), "PNG"))


def _read(path: Path, number: int, *, taken: Set[str]) -> GoldenImage:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SpecError(f"The golden image {path} cannot be read: {error.strerror}.") from error
    suffix = {b"\x89PNG": ".png", b"\xff\xd8\xff\xe0": ".jpg"}.get(data[:4], ".jpg" if data[:2] == b"\xff\xd8" else "")
    if not suffix:
        raise SpecError(f"The golden image {path} is not a PNG or JPEG.")
    # Pictures of one name in several folders get names of their own: answers are kept by name.
    names = itertools.chain([path.stem], (f"{path.stem}_{times}" for times in itertools.count(2)))
    name = next(name for name in names if name not in taken)
    return GoldenImage(name, f"{number:02d}{suffix}", data)


def _made(contract: InputContract, first: int) -> list[GoldenImage]:
    random = np.random.default_rng(_SEED)
    sizes = _sizes(contract)
    kinds = (_smooth, _noise, _edges, _smooth, _edges)
    images = []
    for number, (height, width) in enumerate(sizes):
        kind = kinds[number % len(kinds)]
        pixels = kind(random, height, width)
        name = f"{kind.__name__[1:]}_{height}x{width}"
        last = number == len(sizes) - 1
        data = _encode(pixels, "JPEG" if last else "PNG")
        images.append(GoldenImage(f"{name}_{number}", f"{first + number:02d}.{'jpg' if last else 'png'}", data))
    images.append(GoldenImage("grey_alpha", f"{first + len(sizes):02d}.png", _grey_alpha(random, *sizes[0])))
    return images


def _sizes(contract: InputContract) -> list[tuple[int, int]]:
    if contract.size is None:
        return list(_FREE_SIZES)
    own = (contract.size.height, contract.size.width)
    return [own, own, own] if contract.resize == "exact" else [own, own, (own[0] + 11, own[1] * 2 - 3)]


def _smooth(random: np.random.Generator, height: int, width: int) -> NDArray[np.uint8]:
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    waves = [np.sin(2 * np.pi * (random.uniform(0.5, 3) * y + random.uniform(0.5, 3) * x)) for _ in range(3)]
    return _to_uint8(np.stack(waves, axis=2) * 120 + 128)


def _noise(random: np.random.Generator, height: int, width: int) -> NDArray[np.uint8]:
    """Darker than the others, so that a network which mixes the pictures of a batch shows it."""
    return _to_uint8(random.normal(70, 50, (height, width, 3)))


def _edges(random: np.random.Generator, height: int, width: int) -> NDArray[np.uint8]:
    """Rectangles of pure colours: the extremes of the range, where clipping shows."""
    pixels = np.zeros((height, width, 3), np.uint8)
    for _ in range(12):
        top, left = random.integers(0, height), random.integers(0, width)
        pixels[top : top + height // 2, left : left + width // 3] = random.integers(0, 2, 3) * 255
    return pixels


def _grey_alpha(random: np.random.Generator, height: int, width: int) -> bytes:
    grey = _smooth(random, height, width)[:, :, 0]
    alpha = np.linspace(0, 255, height * width).reshape(height, width).astype(np.uint8)
    return _encode(np.dstack([grey, alpha]), "PNG")


def _to_uint8(values: NDArray[Any]) -> NDArray[np.uint8]:
    pixels: NDArray[np.uint8] = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return pixels


def _encode(pixels: NDArray[np.uint8], kind: str) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind)
    return stream.getvalue()
