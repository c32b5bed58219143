"""Comparing pictures."""

from __future__ import annotations

from tendies_ops.compare.images import (
    ImageDifference,
    PixelDifference,
    compare_frames,
    compare_images,
    compare_pixels,
    decode_pixels,
)

__all__ = [
    "ImageDifference",
    "PixelDifference",
    "compare_frames",
    "compare_images",
    "compare_pixels",
    "decode_pixels",
]
