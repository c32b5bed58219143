"""The cost of a variant in pixels, and the decision whether that is allowed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tendies_ops.compare import Pixels, compare_images, decode_pixels
from tendies_ops.spec import OptimizeSpec
from tendies_ops.spec.manifest import CertificateEntry


@dataclass(frozen=True)
class PixelPrice:
    """The distance of answers from those of float32: of several pictures, the worst of each."""

    psnr_db: float | None  #: None: no difference at all
    ssim: float
    max_abs: float  #: of 255
    seam: float  #: largest mean step between two rows or columns that float32 does not have, of 255
    levels: float  #: share of the different pixel values that is left


def price_of(reference: bytes, answer: bytes) -> PixelPrice:
    """
    Compare one answer, an image file, with the one that float32 gives.

    :raises BadAnswerError: one is not a picture, or the sizes differ.
    """
    difference = compare_images(answer, reference)
    before, after = decode_pixels(reference)[..., :3], decode_pixels(answer)[..., :3]
    return PixelPrice(
        psnr_db=difference.psnr_db,
        ssim=difference.ssim,
        max_abs=difference.max_abs,
        seam=_seam(after - before),
        levels=_levels_left(before, after),
    )


def worst_of(prices: Sequence[PixelPrice]) -> PixelPrice:
    """Return the worst of each measure."""
    finite = [price.psnr_db for price in prices if price.psnr_db is not None]
    return PixelPrice(
        psnr_db=min(finite, default=None),
        ssim=min(price.ssim for price in prices),
        max_abs=max(price.max_abs for price in prices),
        seam=max(price.seam for price in prices),
        levels=min(price.levels for price in prices),
    )


def certificate_of(prices: Mapping[str, PixelPrice]) -> tuple[CertificateEntry, ...]:
    """List pictures and their prices, the worst first."""
    worst_first = sorted(prices.items(), key=lambda item: (item[1].psnr_db or math.inf, item[1].ssim, item[0]))
    return tuple(
        CertificateEntry(picture=name, psnr_db=price.psnr_db, ssim=price.ssim, max_abs=price.max_abs)
        for name, price in worst_first
    )


def certificate_lines(variant: str, certificate: Sequence[CertificateEntry]) -> list[str]:
    """Format the certificate for a terminal."""
    head = f"Pixel certificate of {variant}, {len(certificate)} pictures, worst first:  PSNR dB    SSIM  max"
    return [head, *(_certificate_line(entry) for entry in certificate)] if certificate else []


def _certificate_line(entry: CertificateEntry) -> str:
    psnr = "same" if entry.psnr_db is None else f"{entry.psnr_db:.1f}"
    return f"  {entry.picture:<60}  {psnr:>7}  {entry.ssim:>6.4f}  {entry.max_abs:>3.0f}"


def objection(price: PixelPrice, limits: OptimizeSpec) -> str:
    """Return the limits that a price exceeds, as text; empty if it exceeds none."""
    found = []
    if price.psnr_db is not None and price.psnr_db < limits.min_psnr_db:
        found.append(f"PSNR {price.psnr_db:.1f} dB is below {limits.min_psnr_db:g}")
    if not price.ssim >= limits.min_ssim:
        found.append(f"SSIM {price.ssim:.4f} is below {limits.min_ssim:g}")
    if price.seam > limits.max_seam:
        found.append(f"a seam of {price.seam:.2f} of 255 is above {limits.max_seam:g}")
    if price.levels < limits.min_levels:
        found.append(f"banding: {price.levels:.0%} of the pixel values are left, {limits.min_levels:.0%} must be")
    return "; ".join(found)


def _seam(change: Pixels) -> float:
    """
    Measure steps of a whole row or column against the one before.

    Rounding changes pixels here and there and averages out along a line; a tile's edge or a wrong border does not.
    """
    steps = [0.0]
    for axis in (0, 1):
        lines = change.mean(axis=(1 - axis, 2))
        steps += np.abs(np.diff(lines)).tolist()
    return max(steps)


def _levels_left(before: Pixels, after: Pixels) -> float:
    """Count the values that occur in each channel: a gradient in steps has fewer."""
    shares = [
        np.unique(after[..., channel]).size / np.unique(before[..., channel]).size for channel in range(before.shape[2])
    ]
    return float(min(1.0, *shares))
