"""Makes the noise pictures that the demo sends through the generator: the same files for the same seed, anywhere."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

IMAGE_SIZE = 64
NOISE_STDDEV = 0.3


def gaussian_noise(rng: np.random.Generator, count: int, image_size: int = IMAGE_SIZE) -> np.ndarray:
    """
    Draw grey Gaussian noise.

    :param rng: where the numbers come from.
    :param count: how many pictures.
    :param image_size: pixels along each side.
    :return: ``float32 [count, image_size, image_size, 3]``, mean 0, cut at -1.0 and 1.0, three equal channels.
    """
    grey = np.clip(rng.normal(0.0, NOISE_STDDEV, (count, image_size, image_size, 1)), -1.0, 1.0)
    return np.repeat(grey, 3, axis=3).astype(np.float32)


def to_pixels(values: np.ndarray) -> np.ndarray:
    """Map -1.0..1.0 to ``uint8`` 0..255, as the model's contract does."""
    return np.clip(np.round((values + 1.0) * 127.5), 0, 255).astype(np.uint8)


def write_noise_pictures(directory: Path, count: int, seed: int) -> list[Path]:
    """
    Write ``noise_000.png`` and so on.

    :param directory: made if it is not there.
    :param count: how many pictures.
    :param seed: the same seed gives the same pixels.
    :return: the files, in order.
    """
    directory.mkdir(parents=True, exist_ok=True)
    pictures = to_pixels(gaussian_noise(np.random.default_rng(seed), count))
    paths = [directory / f"noise_{index:03d}.png" for index in range(count)]
    for path, pixels in zip(paths, pictures, strict=True):
        Image.fromarray(pixels).save(path)
    return paths


def main() -> None:
    """Read the command line and write the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path, help="folder to write the PNG files to")
    parser.add_argument("--count", type=int, default=64, help="pictures (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=2018, help="seed of the noise (default: %(default)s)")
    arguments = parser.parse_args()
    paths = write_noise_pictures(arguments.directory, arguments.count, arguments.seed)
    print(f"Wrote {len(paths)} pictures of {IMAGE_SIZE}x{IMAGE_SIZE} pixels to {arguments.directory}")


if __name__ == "__main__":
    main()
