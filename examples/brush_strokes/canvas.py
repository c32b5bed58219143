"""The canvas: a tile of noise that painter and network share, so that both put their strokes in the same places."""

from __future__ import annotations

import numpy as np

#: Side of the tile, in half-resolution pixels: the pattern repeats every 256 pixels of the picture.
CANVAS_SIZE = 128
NOISE_SEED = 7


def canvas_noise(seed: int = NOISE_SEED) -> np.ndarray:
    """Draw the tile: ``float32 [CANVAS_SIZE, CANVAS_SIZE]``, normal, mean 0, deviation 1."""
    noise = np.random.default_rng(seed).normal(size=(CANVAS_SIZE, CANVAS_SIZE))
    return ((noise - noise.mean()) / noise.std()).astype(np.float32)
