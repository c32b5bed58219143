"""
Trains the brush stroke network to paint in one pass what painter.py paints slowly, in the style picture's colours.

The photographs are those that scikit-image's wheel ships. Crops of them, at several scales, turned and mirrored, are
painted by the painter; the network is trained on the absolute difference of the pixels and of their gradients.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

from crops import draw_crop, load_photographs
from painter import Brush, paint, palette_of

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Settings:
    """One training."""

    crops: int
    crop_size: int
    steps: int
    batch_size: int
    learning_rate: float
    gradient_weight: float
    seed: int
    threads: int


def paint_crops(settings: Settings, style_picture: Path) -> tuple[np.ndarray, np.ndarray]:
    """
    Make the training set.

    :param style_picture: whose colours the painter takes.
    :return: photographs and paintings, both ``uint8 [crops, crop_size, crop_size, 3]``.
    """
    rng, photographs = np.random.default_rng(settings.seed), load_photographs()
    palette, brush = palette_of(Image.open(style_picture)), Brush()
    shape = (settings.crops, settings.crop_size, settings.crop_size, 3)
    before, after = np.empty(shape, np.uint8), np.empty(shape, np.uint8)
    started_s = time.monotonic()
    for index in range(settings.crops):
        crop = draw_crop(rng, photographs, settings.crop_size)
        before[index] = np.round(crop * 255)
        after[index] = np.round(paint(before[index] / 255.0, brush, palette) * 255)
    print(f"Painted {settings.crops} crops in {time.monotonic() - started_s:.0f} s", flush=True)
    return before, after


def batches(settings: Settings, before: np.ndarray, after: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Go through the crops in ever new order, ``steps`` batches of them, as ``float32`` 0.0 to 1.0."""
    rng = np.random.default_rng(settings.seed + 1)
    for _ in range(settings.steps):
        chosen = rng.choice(len(before), settings.batch_size, replace=False)
        yield before[chosen].astype(np.float32) / 255.0, after[chosen].astype(np.float32) / 255.0


def make_step(model: Any, optimizer: Any, gradient_weight: float) -> Any:
    """Compile one training step: batch in, loss out."""
    import tensorflow as tf

    def difference(wanted: Any, made: Any) -> Any:
        pixels = tf.reduce_mean(tf.abs(wanted - made))
        (wanted_y, wanted_x), (made_y, made_x) = tf.image.image_gradients(wanted), tf.image.image_gradients(made)
        gradients = tf.reduce_mean(tf.abs(wanted_y - made_y)) + tf.reduce_mean(tf.abs(wanted_x - made_x))
        return pixels + gradient_weight * gradients

    @tf.function
    def step(photos: Any, paintings: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = difference(paintings, model(photos, training=True))
        gradients, _ = tf.clip_by_global_norm(tape.gradient(loss, model.trainable_variables), 1.0)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return loss

    return step


def train(settings: Settings, checkpoint: Path, start_from: Path | None, style_picture: Path) -> None:
    """
    Train and save; every 250 steps as well, so that a look at it costs nothing.

    :param style_picture: see :func:`paint_crops`.
    :param checkpoint: the ``.keras`` file to write.
    :param start_from: a ``.keras`` file whose weights to begin with.
    """
    import keras
    import tensorflow as tf
    from model import build_model

    tf.config.threading.set_intra_op_parallelism_threads(settings.threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    keras.utils.set_random_seed(settings.seed)
    before, after = paint_crops(settings, style_picture)
    model = build_model()
    if start_from is not None:
        model.load_weights(start_from)
    rate = keras.optimizers.schedules.CosineDecay(settings.learning_rate, settings.steps, alpha=0.02)
    step = make_step(model, keras.optimizers.Adam(rate), settings.gradient_weight)
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    started_s, losses = time.monotonic(), []
    for index, batch in enumerate(batches(settings, before, after), start=1):
        losses.append(float(step(*batch)))
        if index % 50 == 0 or index == settings.steps:
            print(
                f"step {index:5d}  {time.monotonic() - started_s:6.0f} s  loss {np.mean(losses[-50:]):.4f}", flush=True
            )
        if index % 250 == 0 or index == settings.steps:
            model.save(checkpoint, include_optimizer=False)


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, default=HERE / "checkpoint" / "brush_strokes.keras")
    parser.add_argument("--start-from", type=Path, default=None, help="continue from this .keras file's weights")
    parser.add_argument("--style-picture", type=Path, default=HERE / "style.png", help="its main colours are taken")
    parser.add_argument("--crops", type=int, default=700, help="painted for training")
    parser.add_argument("--crop-size", type=int, default=128, help="pixels along each side, a multiple of 4")
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--learning-rate", type=float, default=1.5e-3)
    parser.add_argument("--gradient-weight", type=float, default=0.5, help="against a pixel weight of 1")
    parser.add_argument("--seed", type=int, default=1889)
    parser.add_argument("--threads", type=int, default=2, help="CPU threads that TensorFlow may use")
    arguments = vars(parser.parse_args())
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    paths = {name: arguments.pop(name) for name in ("checkpoint", "start_from", "style_picture")}
    train(Settings(**arguments), **paths)


if __name__ == "__main__":
    main()
