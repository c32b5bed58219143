"""
Trains one network to give in one pass what each of teachers.py's filters gives.

The network is trained on the absolute difference of the pixels and of their gradients, each crop in a style of its own.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

from crops import draw_crop, load_photographs
from teachers import TEACHERS

HERE = Path(__file__).parent
MARGIN_PX = 12  # of a crop, where the teachers see its edge: left out of the loss
GRADIENT_WEIGHT = 0.5


def paint_crops(crops: int, crop_size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """
    Make the training set.

    :return: photographs ``uint8 [crops, size, size, 3]``, and paintings ``uint8 [crops, styles, size, size, 3]``.
    """
    rng, photographs = np.random.default_rng(seed), load_photographs()
    before = np.empty((crops, crop_size, crop_size, 3), np.uint8)
    after = np.empty((crops, len(TEACHERS), crop_size, crop_size, 3), np.uint8)
    for index in range(crops):
        before[index] = np.round(draw_crop(rng, photographs, crop_size) * 255)
        after[index] = [np.round(teacher(before[index] / 255.0) * 255) for teacher in TEACHERS.values()]
    return before, after


def make_step(network: Any, optimizer: Any) -> Any:
    """Compile one training step: photographs, numbers of styles and paintings in, loss out."""
    import tensorflow as tf

    def inner(pictures: Any) -> Any:
        return pictures[:, MARGIN_PX:-MARGIN_PX, MARGIN_PX:-MARGIN_PX]

    @tf.function
    def step(photos: Any, styles: Any, paintings: Any) -> Any:
        with tf.GradientTape() as tape:
            made = network(photos, tf.one_hot(styles, len(TEACHERS)), tf.constant(1.0))
            difference = inner(made) - inner(paintings)
            down, across = tf.image.image_gradients(difference)
            gradients = tf.reduce_mean(tf.abs(down)) + tf.reduce_mean(tf.abs(across))
            loss = tf.reduce_mean(tf.abs(difference)) + GRADIENT_WEIGHT * gradients
        found, _ = tf.clip_by_global_norm(tape.gradient(loss, network.trainable_variables), 1.0)
        optimizer.apply_gradients(zip(found, network.trainable_variables, strict=True))
        return loss

    return step


def train(checkpoint: Path, *, crops: int, crop_size: int, steps: int, batch_size: int, seed: int) -> None:
    """Train, and write a TensorFlow 2 checkpoint; every 500 steps as well, so that a look at it costs nothing."""
    import keras
    import tensorflow as tf
    from model import FiveStyles

    rng = np.random.default_rng(seed + 1)
    before, after = paint_crops(crops, crop_size, seed)
    print(f"Painted {crops} crops in {len(TEACHERS)} styles", flush=True)
    network = FiveStyles()
    rate = keras.optimizers.schedules.CosineDecay(2e-3, steps, alpha=0.02)
    step = make_step(network, keras.optimizers.Adam(rate))
    started_s, losses = time.monotonic(), []
    for index in range(1, steps + 1):
        chosen = rng.choice(crops, batch_size, replace=False)
        styles = rng.integers(0, len(TEACHERS), batch_size)
        photos, paintings = before[chosen] / np.float32(255), after[chosen, styles] / np.float32(255)
        losses.append(float(step(photos, styles, paintings)))
        if index % 100 == 0:
            print(
                f"step {index:5d} {time.monotonic() - started_s:6.0f} s  loss {np.mean(losses[-100:]):.4f}", flush=True
            )
        if index % 500 == 0 or index == steps:
            tf.train.Checkpoint(network=network).write(str(checkpoint))


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, default=HERE / "checkpoint" / "five_styles")
    parser.add_argument("--crops", type=int, default=600, help="painted for training, in every style")
    parser.add_argument("--crop-size", type=int, default=112, help="pixels along each side, a multiple of 4")
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1972)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    train(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
