"""Measures how much of a picture's spectral energy is in the frequency band of the stripes."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from PIL import Image

STRIPE_PERIOD_PX = 8
#: Frequencies that count as the stripes', in cycles a pixel: one and a half steps of a 64-pixel transform to each side.
BAND_HALF_WIDTH = 1.5 / 64


def band_mask(height: int, width: int) -> np.ndarray:
    """Return the mask of the stripes' frequencies in a 2D transform: ``float32 [height, width]``, 1.0 inside."""
    vertical = np.abs(np.fft.fftfreq(height))[:, None]
    horizontal = np.abs(np.fft.fftfreq(width))[None, :]
    near = np.abs(horizontal - 1.0 / STRIPE_PERIOD_PX) <= BAND_HALF_WIDTH
    return (near & (vertical <= BAND_HALF_WIDTH)).astype(np.float32)


def mean_mask(size: int) -> np.ndarray:
    """Return the place of frequency 0: ``float32 [size, size]``."""
    mask = np.zeros((size, size), dtype=np.float32)
    mask[0, 0] = 1.0
    return mask


def band_energy(pixels: np.ndarray) -> float:
    """
    Return the share of a picture's energy that is in the band of upright stripes with a period of 8 pixels.

    :param pixels: ``[H, W]`` or ``[H, W, C]``, any scale. The mean (frequency 0) is taken out first.
    :return: 0.0 to 1.0. White noise gives about 0.004: the band holds that share of all frequencies.
    """
    grey = pixels.astype(np.float64)
    grey = grey.mean(axis=2) if grey.ndim == 3 else grey
    energy = np.abs(np.fft.fft2(grey - grey.mean())) ** 2
    total = float(energy.sum())
    return float((energy * band_mask(*grey.shape)).sum()) / total if total > 0 else 0.0


def measure_folder(directory: Path) -> dict[str, float]:
    """
    Measure every PNG of a folder.

    :return: ``pictures``, and ``mean`` and ``lowest`` share of energy in the band.
    """
    shares = [band_energy(np.asarray(Image.open(path).convert("L"))) for path in sorted(directory.glob("*.png"))]
    if not shares:
        raise SystemExit(f"There is no PNG file in {directory}.")
    return {"pictures": len(shares), "mean": round(float(np.mean(shares)), 4), "lowest": round(min(shares), 4)}


def main() -> None:
    """Read the command line, measure, print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path, help="folder of PNG files")
    print(json.dumps(measure_folder(parser.parse_args().directory)))


if __name__ == "__main__":
    main()
