"""The difference between two pictures, in numbers that a limit can be set on and that people can imagine."""

from __future__ import annotations

import io
import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageSequence, UnidentifiedImageError

from tendies_ops.errors import BadAnswerError

Pixels = NDArray[np.float64]

#: Pictures above this are not opened: a small file can hold a gigantic picture.
MAX_MEGAPIXELS = 256.0
_SSIM_WINDOW = 7  # scikit-image's default; smaller pictures get the largest odd window that fits
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2  # of SSIM: Wang et al. 2004
_LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601


@dataclass(frozen=True)
class PixelDifference:
    """Pixel by pixel, in values of 255."""

    max_abs: float
    mean_abs: float
    psnr_db: float | None  #: None: no difference at all


@dataclass(frozen=True)
class ImageDifference(PixelDifference):
    """The differences that people notice."""

    ssim: float  #: 1.0 is the same structure, 0 none
    color_shift: float  #: distance of the mean colours, of 255
    edge_shift: float  #: mean change of the edges' strength, of 255

    def summary(self) -> dict[str, Any]:
        """Return the figures, rounded for reports."""
        return {key: None if value is None else round(value, 4) for key, value in asdict(self).items()}


def decode_pixels(file: bytes) -> Pixels:
    """
    Decode a picture as it is displayed.

    :return: ``float64 [height, width, 3 or 4]``, values 0 to 255; 16-bit files are scaled down, grey is made RGB.
    :raises BadAnswerError: these bytes are not a whole picture, or one of more than 256 megapixels.
    """
    return next(decode_frames(file))


def decode_frames(file: bytes) -> Iterator[Pixels]:
    """
    Decode every frame of an animation, or the one of a still picture, one at a time.

    :return: at least one array as :func:`decode_pixels` gives it, all of one size.
    :raises BadAnswerError: these bytes are not a whole picture, or one of more than 256 megapixels.
    """
    try:
        with Image.open(io.BytesIO(file)) as image:
            if image.width * image.height > MAX_MEGAPIXELS * 1e6:
                raise BadAnswerError(f"The picture has {image.width} x {image.height} pixels: too many to compare.")
            yield from map(_to_array, ImageSequence.Iterator(image))
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        start = file[:40].decode("latin-1").encode("unicode_escape").decode()
        raise BadAnswerError(
            f"These {len(file)} bytes are not a whole picture ({error}); they begin {start!r}."
        ) from error


def compare_pixels(a: bytes, b: bytes) -> PixelDifference:
    """
    Compare two picture files pixel by pixel.

    :raises BadAnswerError: one is not a picture, or their sizes differ.
    """
    return _pixel_difference(*_pair(decode_pixels(a), decode_pixels(b)))


def compare_frames(a: bytes, b: bytes) -> Iterator[PixelDifference | None]:
    """
    Compare two picture files frame by frame; a still picture has one.

    :return: for each frame of the longer one; None where the other has none, or one of another size.
    :raises BadAnswerError: one is not a picture.
    """
    for first, second in itertools.zip_longest(decode_frames(a), decode_frames(b)):
        same_size = first is not None and second is not None and first.shape[:2] == second.shape[:2]
        yield _pixel_difference(*_pair(first, second)) if same_size else None


def compare_images(a: bytes, b: bytes) -> ImageDifference:
    """
    Compare two picture files pixel by pixel and by measures of perception.

    :raises BadAnswerError: one is not a picture, or their sizes differ.
    """
    first, second = _pair(decode_pixels(a), decode_pixels(b))
    pixels = _pixel_difference(first, second)
    means = [p[..., :3].reshape(-1, 3).mean(axis=0) for p in (first, second)]
    edges = [_edges(p) for p in (first, second)]
    return ImageDifference(
        **asdict(pixels),
        ssim=1.0 if pixels.max_abs == 0 else _ssim(first, second),
        color_shift=float(np.linalg.norm(means[0] - means[1]) / math.sqrt(3)),
        edge_shift=float(np.abs(edges[0] - edges[1]).mean()),
    )


def _to_array(image: Image.Image) -> Pixels:
    if image.mode.startswith("I") or image.mode == "F":
        grey = np.asarray(image, dtype=np.float64)
        scaled = grey / 257.0 if image.mode.startswith("I") else grey
        return np.repeat(scaled[..., np.newaxis], 3, axis=2)
    has_alpha = image.mode in {"RGBA", "LA", "PA"} or "transparency" in image.info
    return np.asarray(image.convert("RGBA" if has_alpha else "RGB"), dtype=np.float64)


def _pair(first: Pixels, second: Pixels) -> tuple[Pixels, Pixels]:
    if first.shape[:2] != second.shape[:2]:
        sizes = [f"{p.shape[1]} x {p.shape[0]}" for p in (first, second)]
        raise BadAnswerError(f"The pictures differ in size: {sizes[0]} and {sizes[1]} pixels.")
    channels = max(first.shape[2], second.shape[2])
    return _with_channels(first, channels), _with_channels(second, channels)


def _with_channels(pixels: Pixels, channels: int) -> Pixels:
    if pixels.shape[2] == channels:
        return pixels
    return np.concatenate([pixels, np.full((*pixels.shape[:2], 1), 255.0)], axis=2)  # no alpha is opaque


def _pixel_difference(first: Pixels, second: Pixels) -> PixelDifference:
    difference = np.abs(first - second)
    mean_square = float((difference**2).mean())
    psnr_db = None if mean_square == 0 else 10 * math.log10(255.0**2 / mean_square)
    return PixelDifference(float(difference.max()), float(difference.mean()), psnr_db)


def _ssim(first: Pixels, second: Pixels) -> float:
    """Return the mean similarity over all windows and channels; tiny pictures are a single window."""
    side = min(first.shape[:2])
    if side < 3:
        return float(_similarity(first, second, np.mean, first.size))
    window = min(_SSIM_WINDOW, side if side % 2 else side - 1)
    channels = range(first.shape[2])  # one at a time: a picture may have 256 megapixels
    return float(np.mean([_channel_ssim(first[..., i], second[..., i], window) for i in channels]))


def _channel_ssim(first: Pixels, second: Pixels, window: int) -> float:
    return float(_similarity(first, second, partial(_window_means, window=window), window**2).mean())


def _similarity(first: Pixels, second: Pixels, mean: Callable[[Pixels], Any], samples: int) -> Any:
    """Return the structural similarity (Wang et al. 2004) of each window, with sample variances."""
    mean_a, mean_b = mean(first), mean(second)
    bessel = samples / (samples - 1) if samples > 1 else 1.0
    variances = bessel * (mean(first**2) - mean_a**2 + mean(second**2) - mean_b**2)
    covariance = bessel * (mean(first * second) - mean_a * mean_b)
    numerator = (2 * mean_a * mean_b + _C1) * (2 * covariance + _C2)
    return numerator / ((mean_a**2 + mean_b**2 + _C1) * (variances + _C2))


def _window_means(values: Pixels, window: int) -> Pixels:
    """Return the mean of every window wholly inside the picture."""
    for _ in ("rows", "columns"):
        sums = np.cumsum(np.pad(values, ((1, 0), (0, 0))), axis=0)
        values = (sums[window:] - sums[:-window]).T
    return values / window**2


def _edges(pixels: Pixels) -> Pixels:
    luma = pixels[..., :3] @ _LUMA
    if min(luma.shape) < 2:
        return np.zeros_like(luma)
    down, right = np.gradient(luma)
    return np.asarray(np.hypot(down, right))
