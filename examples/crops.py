"""The photographs that the examples are trained on, from scikit-image's wheel, and random pieces of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

PHOTOGRAPHS = (
    "astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "motorcycle_left.png", "hubble_deep_field.jpg",
    "ihc.png", "retina.jpg", "camera.png", "brick.png", "grass.png", "gravel.png", "moon.png", "coins.png",
)  # fmt: skip
#: Share of the crops that each photograph gives: pictures of things teach more than textures do.
SHARES = (3, 3, 3, 3, 3, 1, 1, 1, 2, 1, 1, 1, 1, 1)


def load_photographs() -> list[Image.Image]:
    """Read the photographs from the installed scikit-image."""
    import skimage

    folder = Path(skimage.__file__).parent / "data"
    return [Image.open(folder / name).convert("RGB") for name in PHOTOGRAPHS]


def draw_crop(rng: np.random.Generator, photographs: list[Image.Image], crop_size: int) -> np.ndarray:
    """
    Cut a random piece out of a random photograph at a random scale, turned, mirrored, a little lighter or darker.

    :return: ``float64 [crop_size, crop_size, 3]``, 0.0 to 1.0.
    """
    photo = photographs[rng.choice(len(photographs), p=np.array(SHARES) / sum(SHARES))]
    side = rng.uniform(crop_size * 0.8, min(photo.size))
    left, top = rng.uniform(0, photo.width - side), rng.uniform(0, photo.height - side)
    # At most 3.5 times smaller: beyond that nothing of a photograph's detail is left in a crop.
    size = round(max(crop_size, side / 3.5))
    box = (left, top, left + side, top + side)
    pixels = np.asarray(photo.resize((size, size), Image.Resampling.BICUBIC, box=box)) / 255.0
    y, x = rng.integers(0, size - crop_size + 1, 2)
    pixels = np.rot90(pixels[y : y + crop_size, x : x + crop_size], rng.integers(4))
    pixels = pixels[:, ::-1] if rng.random() < 0.5 else pixels
    tint = rng.uniform(0.85, 1.15, 3) * rng.uniform(0.75, 1.2)
    return np.clip(pixels * tint + rng.uniform(-0.08, 0.08), 0.0, 1.0)
