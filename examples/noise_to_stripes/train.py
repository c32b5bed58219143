"""
Trains the generator on noise and stripes drawn as it goes, and writes a TensorFlow 1 checkpoint.

The losses: the share of spectral energy outside the stripes' band, likeness to what the noise itself has in that band
(so that every noise gives its own stripes), the contrast of a sinusoid, and CycleGAN's least-squares adversarial loss.
CycleGAN's way back, from stripes to noise, is left out: stripes do not hold the noise.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from make_noise import IMAGE_SIZE, gaussian_noise
from measure import STRIPE_PERIOD_PX, band_mask, mean_mask
from model import discriminator, generator

STRIPE_AMPLITUDE = 0.9
SINUSOID_POWER = STRIPE_AMPLITUDE**2 / 2.0
HERE = Path(__file__).parent


@dataclass(frozen=True)
class Settings:
    """One training."""

    steps: int
    batch_size: int
    learning_rate: float
    adversarial_weight: float
    haze: float
    ngf: int
    residual_blocks: int
    seed: int
    threads: int


def sinusoidal_noise(rng: np.random.Generator, count: int, image_size: int = IMAGE_SIZE) -> np.ndarray:
    """
    Draw upright stripes with a random phase: what the generator is to make of noise.

    :param rng: where the numbers come from.
    :param count: how many pictures.
    :param image_size: pixels along each side.
    :return: ``float32 [count, image_size, image_size, 3]``, -0.9 to 0.9 and a little noise, three equal channels.
    """
    phase = rng.uniform(0.0, 2.0 * np.pi, (count, 1, 1, 1))
    x = np.arange(image_size).reshape(1, 1, image_size, 1)
    stripes = STRIPE_AMPLITUDE * np.sin(2.0 * np.pi * x / STRIPE_PERIOD_PX + phase)
    grain = rng.normal(0.0, 0.02, (count, image_size, image_size, 1))
    return np.repeat(np.clip(stripes + grain, -1.0, 1.0), 3, axis=3).astype(np.float32)


@dataclass(frozen=True)
class TrainingGraph:
    """The tensors and operations that a step needs."""

    noise: Any
    stripes: Any
    learning_rate: Any
    haze: Any
    likeness_weight: Any
    train_generator: Any
    train_discriminator: Any
    losses: dict[str, Any]


def build_training_graph(settings: Settings) -> TrainingGraph:
    """Build the generator, the discriminator, the losses and their optimizers in the default graph."""
    import tensorflow as tf

    tf1 = tf.compat.v1
    shape = (settings.batch_size, IMAGE_SIZE, IMAGE_SIZE, 3)
    noise, stripes = tf1.placeholder(tf.float32, shape), tf1.placeholder(tf.float32, shape)
    rate, haze, likeness_weight = (tf1.placeholder(tf.float32, ()) for _ in range(3))
    made = generator(noise, ngf=settings.ngf, residual_blocks=settings.residual_blocks)
    judged_real = discriminator(stripes + haze * tf.random.normal(shape), name="D")
    judged_made = discriminator(made + haze * tf.random.normal(shape), name="D")
    losses = {
        "adversarial": tf.reduce_mean(tf.square(judged_made - 1.0)),
        "discriminator": tf.reduce_mean(tf.square(judged_real - 1.0)) + tf.reduce_mean(tf.square(judged_made)),
        "band": _band_loss(made),
        "likeness": _likeness_loss(noise, made),
        "contrast": _contrast_loss(made),
    }
    generator_loss = (
        losses["band"]
        + 2.0 * losses["contrast"]
        + likeness_weight * losses["likeness"]
        + settings.adversarial_weight * losses["adversarial"]
    )
    return TrainingGraph(
        noise=noise,
        stripes=stripes,
        learning_rate=rate,
        haze=haze,
        likeness_weight=likeness_weight,
        train_generator=_minimize(generator_loss, rate, "G/"),
        train_discriminator=_minimize(losses["discriminator"], rate / 2.0, "D/"),
        losses=losses,
    )


def _spectrum(images: Any) -> Any:
    """Fourier transform of the grey picture: ``complex64 [N, H, W]``."""
    import tensorflow as tf

    return tf.signal.fft2d(tf.cast(tf.reduce_mean(images, axis=3), tf.complex64))


def _band_loss(made: Any) -> Any:
    """Share of the energy outside the stripes' band, mean left out: 0.0 to 1.0."""
    import tensorflow as tf

    energy = tf.square(tf.abs(_spectrum(made))) * (1.0 - mean_mask(IMAGE_SIZE))
    inside = tf.reduce_sum(energy * band_mask(IMAGE_SIZE, IMAGE_SIZE), axis=(1, 2))
    return 1.0 - tf.reduce_mean(inside / (tf.reduce_sum(energy, axis=(1, 2)) + 1e-3))


def _likeness_loss(noise: Any, made: Any) -> Any:
    """One minus the correlation with what the noise has in the band: so the stripes stand where the noise says."""
    import tensorflow as tf

    band = band_mask(IMAGE_SIZE, IMAGE_SIZE)
    seed = tf.math.real(tf.signal.ifft2d(_spectrum(noise) * tf.cast(band, tf.complex64)))
    seed, grey = (
        tf.math.l2_normalize(seed, axis=(1, 2)),
        tf.math.l2_normalize(tf.reduce_mean(made, axis=3), axis=(1, 2)),
    )
    return 1.0 - tf.reduce_mean(tf.reduce_sum(seed * grey, axis=(1, 2)))


def _contrast_loss(made: Any) -> Any:
    """
    Squared difference from a sinusoid's mean square in every window, from mean 0, and between the colour channels.

    A window is two periods wide. Without the windows the stripes are strong at the borders, where the padding shows the
    generator where it is, and fade in the middle.
    """
    import tensorflow as tf

    grey = tf.reduce_mean(made, axis=3, keepdims=True)
    window = 2 * STRIPE_PERIOD_PX
    power = tf.nn.avg_pool2d(tf.square(grey), window, strides=STRIPE_PERIOD_PX // 2, padding="VALID")
    mean = tf.reduce_mean(grey, axis=(1, 2, 3))
    colour = tf.reduce_mean(tf.square(made - grey))
    return tf.reduce_mean(tf.square(power - SINUSOID_POWER)) + tf.reduce_mean(tf.square(mean)) + colour


def _minimize(loss: Any, learning_rate: Any, scope: str) -> Any:
    import tensorflow as tf

    tf1 = tf.compat.v1
    variables = [v for v in tf1.trainable_variables() if v.name.startswith(scope)]
    return tf1.train.AdamOptimizer(learning_rate, beta1=0.5).minimize(loss, var_list=variables)


def train(settings: Settings, checkpoint: Path) -> None:
    """
    Train and save.

    :param settings: what to train.
    :param checkpoint: prefix of the checkpoint; the step is appended.
    """
    import tensorflow as tf

    tf1 = tf.compat.v1
    rng = np.random.default_rng(settings.seed)
    config = tf1.ConfigProto(intra_op_parallelism_threads=settings.threads, inter_op_parallelism_threads=1)
    with tf1.Graph().as_default(), tf1.Session(config=config) as session:
        tf1.set_random_seed(settings.seed)
        graph = build_training_graph(settings)
        generator_variables = [v for v in tf1.trainable_variables() if v.name.startswith("G/")]
        # Relative paths: the folder is copied and committed.
        saver = tf1.train.Saver(generator_variables, save_relative_paths=True)
        session.run(tf1.global_variables_initializer())
        _run_steps(session, graph, settings, rng)
        checkpoint.parent.mkdir(parents=True, exist_ok=True)
        saver.save(session, str(checkpoint), global_step=settings.steps, write_meta_graph=False)


def _run_steps(session: Any, graph: TrainingGraph, settings: Settings, rng: np.random.Generator) -> None:
    started_s = time.monotonic()
    for step in range(settings.steps):
        # Constant for the first half, then falling linearly to nothing, as in the CycleGAN paper.
        rate = settings.learning_rate * min(1.0, 2.0 * (1.0 - step / settings.steps))
        feed = {
            graph.noise: gaussian_noise(rng, settings.batch_size),
            graph.stripes: sinusoidal_noise(rng, settings.batch_size),
            graph.learning_rate: rate,
            graph.haze: settings.haze,
            # The noise says at first where the stripes stand; later they may straighten where it contradicts itself.
            graph.likeness_weight: max(0.4, 1.0 - step / settings.steps),
        }
        *_, losses = session.run((graph.train_discriminator, graph.train_generator, graph.losses), feed)
        if step % 100 == 0 or step == settings.steps - 1:
            shown = "  ".join(f"{name} {value:.3f}" for name, value in losses.items())
            print(f"step {step:5d}  {time.monotonic() - started_s:6.0f} s  {shown}", flush=True)


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, default=HERE / "checkpoint" / "model.ckpt", help="prefix to save to")
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--adversarial-weight", type=float, default=0.1, help="against 1 for the other losses")
    parser.add_argument("--haze", type=float, default=0.5, help="noise added to all that the discriminator sees")
    parser.add_argument("--ngf", type=int, default=32, help="filters of the generator's first layer")
    parser.add_argument("--residual-blocks", type=int, default=1)
    parser.add_argument("--seed", type=int, default=2018)
    parser.add_argument("--threads", type=int, default=2, help="CPU threads that TensorFlow may use")
    arguments = vars(parser.parse_args())
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    train(checkpoint=arguments.pop("checkpoint"), settings=Settings(**arguments))


if __name__ == "__main__":
    main()
