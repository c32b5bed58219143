"""Measures on photographs that the network does what neither a colour filter nor a blur can do."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

sys.path.insert(0, str(Path(__file__).parent))

from painter import Brush, paint, palette_of


def detail(picture: np.ndarray) -> np.ndarray:
    """
    Take out what is finer than about 10 pixels.

    :param picture: ``float [H, W, 3]``, 0.0 to 1.0.
    :return: ``float [H, W]``, around 0.
    """
    grey = picture.mean(axis=2)
    return np.asarray(grey - gaussian_filter(grey, 3.0))


def left_over_by_colour_filters(photo: np.ndarray, painted: np.ndarray) -> float:
    """
    Fit the best polynomial of degree 3 from each pixel's colour to its new colour; return what that leaves unexplained.

    :return: mean absolute difference, of 1.0.
    """
    r, g, b = photo.reshape(-1, 3).T
    powers = [(i, j, k) for i in range(4) for j in range(4) for k in range(4) if i + j + k <= 3]
    features = np.stack([r**i * g**j * b**k for i, j, k in powers], axis=1)
    wanted = painted.reshape(-1, 3)
    fitted = features @ np.linalg.lstsq(features, wanted, rcond=None)[0]
    return float(np.abs(wanted - fitted).mean())


def measure_pair(photo: np.ndarray, painted: np.ndarray) -> dict[str, float]:
    """
    Compare a painting with its photograph and with the slow painter's.

    :param photo: ``float [H, W, 3]``, 0.0 to 1.0.
    :param painted: the network's, the same shape.
    :return: ``left_over_by_colour_filters``; ``added_detail``: fine detail of the painting as a multiple of the
        photograph's (a blur has less than 1.0); ``difference_to_painter``, of 1.0; ``likeness_to_painter``:
        correlation of the detail.
    """
    palette = palette_of(Image.open(Path(__file__).parent / "style.png"))
    wanted = paint(photo, Brush(), palette)
    return {
        "left_over_by_colour_filters": left_over_by_colour_filters(photo, painted),
        "added_detail": float(detail(painted).std() / detail(photo).std()),
        "difference_to_painter": float(np.abs(painted - wanted).mean()),
        "likeness_to_painter": float(np.corrcoef(detail(painted).ravel(), detail(wanted).ravel())[0, 1]),
    }


def _read(path: Path, size: tuple[int, int] | None = None) -> np.ndarray:
    picture = Image.open(path).convert("RGB")
    if size is not None and picture.size != size:
        raise SystemExit(f"{path} is {picture.size[0]}x{picture.size[1]}, its photograph {size[0]}x{size[1]}.")
    return np.asarray(picture) / 255.0


def main() -> None:
    """Read the command line, measure, print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photo", type=Path, help="a photograph")
    parser.add_argument("painted", type=Path, help="what the network made of it")
    arguments = parser.parse_args()
    photo = _read(arguments.photo)
    painted = _read(arguments.painted, (photo.shape[1], photo.shape[0]))
    print(json.dumps({name: round(value, 3) for name, value in measure_pair(photo, painted).items()}))


if __name__ == "__main__":
    main()
