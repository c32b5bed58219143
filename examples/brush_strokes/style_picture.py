"""Draws the style picture: whirls of a few strong colours, painted with the brush that the network is to learn."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

sys.path.insert(0, str(Path(__file__).parent))

from painter import Brush, paint

#: From dark to light: night blue, cobalt, pine, vermilion, teal, ochre, pale blue, straw, cream.
COLOURS = (
    (18, 24, 52), (34, 66, 148), (38, 92, 78), (196, 64, 38), (60, 150, 168),
    (214, 150, 40), (136, 184, 214), (238, 208, 110), (248, 240, 214),
)  # fmt: skip


def draw_style_picture(size: int = 384, seed: int = 1889) -> np.ndarray:
    """
    Draw the style picture.

    :param size: pixels along each side.
    :param seed: the same seed gives the same picture.
    :return: ``uint8 [size, size, 3]``, RGB.
    """
    rng = np.random.default_rng(seed)
    bands = _whirled_bands(rng, size)
    ground = np.array(COLOURS, dtype=np.float64)[bands] / 255.0
    painted = paint(gaussian_filter(ground, (1.0, 1.0, 0)), Brush())
    return np.round(painted * 255).astype(np.uint8)


def _whirled_bands(rng: np.random.Generator, size: int) -> np.ndarray:
    """Cut a smooth landscape of hills and whirls into as many levels as there are colours."""
    y, x = np.mgrid[0:size, 0:size] / size
    for _ in range(6):
        centre_y, centre_x = rng.uniform(0.1, 0.9, 2)
        distance = np.hypot(y - centre_y, x - centre_x)
        turn = rng.choice((-1.0, 1.0)) * 3.5 * np.exp(-((distance / 0.16) ** 2))
        dy, dx = y - centre_y, x - centre_x
        y = centre_y + dy * np.cos(turn) - dx * np.sin(turn)
        x = centre_x + dy * np.sin(turn) + dx * np.cos(turn)
    hills = sum(np.sin(2 * np.pi * (a * x + b * y) + c) for a, b, c in rng.uniform(-3.0, 3.0, (5, 3)))
    ranks = np.argsort(np.argsort(hills.ravel())).reshape(hills.shape)
    return np.asarray(ranks * len(COLOURS) // ranks.size)


def main() -> None:
    """Read the command line and write the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path, nargs="?", default=Path(__file__).parent / "style.png")
    parser.add_argument("--size", type=int, default=384, help="pixels along each side (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1889)
    arguments = parser.parse_args()
    Image.fromarray(draw_style_picture(arguments.size, arguments.seed)).save(arguments.path, optimize=True)
    print(f"Wrote {arguments.path}")


if __name__ == "__main__":
    main()
