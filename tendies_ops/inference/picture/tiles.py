"""
Cut a large picture into overlapping tiles, and join the answers without a seam.

Tiles of one row are blended into a strip, strips into the picture, each in floating point and rounded once. Where two
tiles overlap, the weight moves from one to the other along a smooth step over the middle half of the overlap: the outer
quarter of a tile is never used there, because networks invent what is beyond a border.

A network that normalises each tile by the tile's own statistics gives the same sky another tone in each. So before it
is blended a tile is levelled: in its overlap it gets the mean tone of the tiles before it, and changes to its own
towards its other end. A step across some pixels is visible, and one across a whole tile is not: coarse structures need
a wide transition, fine ones a narrow one (Burt and Adelson 1983, "A multiresolution spline with application to image
mosaics").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

Pixels = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class TilePlan:
    """The places of the tiles of one picture, in input pixels."""

    size: tuple[int, int]  #: height and width of the picture
    tile: tuple[int, int]  #: height and width of each tile
    tops: tuple[int, ...]
    lefts: tuple[int, ...]


def plan_tiles(size: tuple[int, int], tile: tuple[int, int], overlap: int) -> TilePlan:
    """
    Spread tiles evenly so that neighbours share at least ``overlap`` pixels.

    :param size: height and width, at least those of ``tile``.
    """
    return TilePlan(size, tile, _starts(size[0], tile[0], overlap), _starts(size[1], tile[1], overlap))


def cut_tiles(image: Image.Image, plan: TilePlan) -> list[Image.Image]:
    """Return the tiles, row by row."""
    height, width = plan.tile
    return [image.crop((left, top, left + width, top + height)) for top in plan.tops for left in plan.lefts]


def blend_tiles(plan: TilePlan, answers: Sequence[Image.Image], *, hard: bool = False) -> Image.Image:
    """
    Join the answers.

    :param answers: as :func:`cut_tiles` orders them, all of one size, which may be a multiple of the tile's.
    :param hard: do not blend, for values that are class indices.
    """
    answered = answers[0].height, answers[0].width
    tops = [_scaled(top, answered[0], plan.tile[0]) for top in plan.tops]
    lefts = [_scaled(left, answered[1], plan.tile[1]) for left in plan.lefts]
    height, width = (_scaled(plan.size[axis], answered[axis], plan.tile[axis]) for axis in (0, 1))
    canvas: npt.NDArray[Any] | None = None
    pending: Pixels | None = None  # the strip whose lower edge is still to be blended
    for row, top in enumerate(tops):
        tiles = [_pixels(answer) for answer in answers[row * len(lefts) : (row + 1) * len(lefts)]]
        strip = _join([tile.swapaxes(0, 1) for tile in tiles], lefts, width, hard=hard).swapaxes(0, 1)
        if canvas is None or pending is None:
            canvas, pending = np.empty((height, width, *strip.shape[2:]), _depth(answers[0])), strip
            continue
        step = top - tops[row - 1]
        joined = _join([pending, strip], [0, step], step + len(strip), hard=hard)
        canvas[tops[row - 1] : top] = _rounded(joined[:step], canvas.dtype)
        pending = joined[step:]
    assert canvas is not None  # there is at least one tile
    assert pending is not None
    canvas[tops[-1] :] = _rounded(pending[: height - tops[-1]], canvas.dtype)
    return Image.fromarray(canvas)


def ramp(length: int) -> Pixels:
    """Return the later tile's weights in an overlap: 0 in the first quarter, a smooth step, 1 in the last."""
    position = (np.arange(length, dtype=np.float32) + 0.5) / max(length, 1)
    return _smooth_step((position - 0.25) * 2.0)


def _smooth_step(position: npt.NDArray[np.floating]) -> Pixels:
    """Return values from 0 at 0 to 1 at 1, flat at both ends."""
    inside = np.clip(position, 0.0, 1.0)
    weights: Pixels = (inside * inside * (3.0 - 2.0 * inside)).astype(np.float32)
    return weights


def _step(length: int) -> Pixels:
    """Return weights that switch from the earlier to the later tile in the middle."""
    return (np.arange(length) >= length // 2).astype(np.float32)


def _scaled(position: int, answer: int, tile: int) -> int:
    """
    Return the place of an input pixel in the answer, rounded half up in whole numbers.

    So a tile's end is its beginning plus the answer's length, whatever the ratio; ``round`` would miss it by one.
    """
    return (2 * position * answer + tile) // (2 * tile)


def _starts(length: int, tile: int, overlap: int) -> tuple[int, ...]:
    if length <= tile:
        return (0,)
    overlap = min(max(overlap, 0), tile // 2)  # beyond half, three tiles would meet in one place
    count = -(-(length - overlap) // (tile - overlap))
    return tuple(round(index * (length - tile) / (count - 1)) for index in range(count))


def _join(pieces: Sequence[Pixels], starts: Sequence[int], length: int, *, hard: bool) -> Pixels:
    """Blend consecutive pieces along axis 0."""
    joined = np.zeros((length, *pieces[0].shape[1:]), np.float32)
    end = 0
    for own, start in zip(pieces, starts, strict=True):
        shared = max(0, min(end, length) - start)
        there = joined[start : start + shared]
        piece = own if hard else _levelled(own, there)
        there += (piece[:shared] - there) * _along(_step(shared) if hard else ramp(shared), piece)
        end = min(start + len(piece), length)
        joined[start + shared : end] = piece[shared : end - start]
    return joined


def _levelled(piece: Pixels, there: Pixels) -> Pixels:
    """
    Give a piece the tone of its neighbour.

    :param there: the neighbour's pixels in the overlap. The outer quarters are not compared: networks invent them.
    """
    shared, length = len(there), len(piece)
    if not shared or np.array_equal(piece[:shared], there):
        return piece
    trusted = slice(shared // 4, shared - shared // 4)
    tone = _smooth(np.mean(there[trusted] - piece[trusted], axis=0), length // 2)
    fading = _smooth_step((length - np.arange(length, dtype=np.float32)) / max(length - shared, 1))
    levelled: Pixels = piece + _along(fading, piece) * tone
    return levelled


def _smooth(values: Pixels, window: int) -> Pixels:
    """Apply the mean of ``window`` values along axis 0 twice, which keeps tones and removes details."""
    window = min(window, len(values)) | 1
    for _ in range(2):
        padded = np.pad(values, [(window // 2 + 1, window // 2), *[(0, 0)] * (values.ndim - 1)], mode="edge")
        sums = np.cumsum(padded, axis=0, dtype=np.float64)
        values = ((sums[window:] - sums[:-window]) / window).astype(np.float32)
    return values


def _along(weights: Pixels, piece: Pixels) -> Pixels:
    """Return weights for each row of a piece, broadcast over its other axes."""
    return weights.reshape(-1, *(1,) * (piece.ndim - 1))


def _pixels(image: Image.Image) -> Pixels:
    as_it_is = image.mode in {"L", "LA", "RGB", "RGBA"} or _depth(image) == np.uint16
    return np.asarray(image if as_it_is else image.convert("RGB"), dtype=np.float32)


def _depth(image: Image.Image) -> npt.DTypeLike:
    return np.uint16 if image.mode == "I" or image.mode.startswith("I;16") else np.uint8


def _rounded(pixels: Pixels, depth: np.dtype[Any]) -> npt.NDArray[Any]:
    return np.clip(np.rint(pixels), 0, np.iinfo(depth).max).astype(depth)
