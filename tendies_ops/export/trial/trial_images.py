"""
The trial of a network that gives pictures.

Read the range of the output off its percentiles; score each reading of the input by how much the result has of the
photograph; take the usual one among those that pictures do not distinguish. The numbers are from trials of 28 networks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tendies_ops.export.reference import output_pixels, picture_values
from tendies_ops.export.trial.readings import Reading
from tendies_ops.spec import OutputContract
from tendies_ops.spec.input_contract import ValueRange

Pixels = NDArray[np.uint8]
_SIDE = 48  #: pixels; what is finer is the network's business
TIED = 0.25  #: scores nearer than that count as equal
_TIED_BY_SCALE = 0.6  #: the same among the ranges of a network that follows the scale of its input
_LEAST_USED = 0.35  #: of the output range
_LARGEST_LOGIT = 100.0
_USUAL = ((0.0, 1.0), (-1.0, 1.0), (0.0, 255.0))
SAME_PICTURE = 3.0  #: of 255: too little to see


@dataclass(frozen=True)
class Candidate:
    """One reading, and what came of it."""

    reading: Reading
    output: OutputContract
    score: float
    pictures: tuple[Pixels, ...]
    tied: bool = False

    @property
    def gives_what_it_takes(self) -> bool:
        """Return True if both ends have one range."""
        return self.reading.range == self.output.range

    @property
    def name(self) -> str:
        """Return the reading of both ends."""
        found = f"{self.output.range.low:g}..{self.output.range.high:g}"
        return f"{self.reading.name} -> {found}{' after a sigmoid' if self.output.activation == 'sigmoid' else ''}"


def candidate_of(
    reading: Reading, values: Sequence[NDArray[np.floating]], photos: Sequence[Pixels], base: OutputContract
) -> Candidate | None:
    """
    Read the output range and score the result.

    :param values: what the network gives for each photo, without the batch.
    :param photos: ``uint8 [height, width, channels]``.
    :param base: an activation or an unusual range that it states is kept if the values fit it.
    :return: None: no usual range has such values.
    """
    output = read_range_of(values, base)
    if output is None:
        return None
    shares = [_shares(value, output) for value in values]
    pictures = tuple(
        output_pixels(value, photo.shape[:2], output, was_resized=True)
        for value, photo in zip(values, photos, strict=True)
    )
    scores = [_score(picture, share, photo) for picture, share, photo in zip(pictures, shares, photos, strict=True)]
    low, high = np.percentile(np.concatenate([share.ravel() for share in shares]), [1, 99])
    flat = 2.0 if high - low < _LEAST_USED else 0.0
    return Candidate(reading, output, float(np.mean(scores)) - flat, pictures)


def read_range_of(values: Sequence[NDArray[np.floating]], base: OutputContract) -> OutputContract | None:
    """Complete ``base`` by a range, and by an activation if no range fits without one; None: no usual range fits."""
    for activation in ("none", "sigmoid") if base.activation == "none" else (base.activation,):
        output = base.model_copy(update={"activation": activation})
        numbers = np.concatenate([picture_values(value, output).ravel() for value in values])
        low, high = percentiles(numbers)
        if _is_unusual_and_used(base.range, low, high):
            return output
        if activation == "none" and np.isfinite(numbers).all() and max(abs(low), abs(high)) > _LARGEST_LOGIT:
            found = read_range(low, high)
            return output.model_copy(update={"range": found}) if found is not None else None
        found = read_range(low, high)
        if found is not None:
            return output.model_copy(update={"range": found})
    return None


def read_range(low: float, high: float) -> ValueRange | None:
    """
    Read from the 1st and the 99th percentile of a network's values which numbers stand for black and white.

    :return: ``None``: no usual range has such values.
    """
    if not (np.isfinite(low) and np.isfinite(high)) or high > 400 or low < -100:
        return None
    if high >= 16:
        return ValueRange(low=0, high=255) if low > -40 else None
    if high >= 1.6 or low < -1.6:
        return None
    return ValueRange(low=-1, high=1) if low < -0.25 else ValueRange()


def percentiles(numbers: NDArray[np.float64]) -> tuple[float, float]:
    """Return the 1st and the 99th percentile."""
    low, high = np.percentile(numbers, [1, 99]) if numbers.size else (0.0, 0.0)
    return float(low), float(high)


def _is_unusual_and_used(stated: ValueRange, low: float, high: float) -> bool:
    """Return True if the contract states a range such as -0.5 to 0.5, and the values fit it."""
    first, last = ((edge - stated.low) / (stated.high - stated.low) for edge in (low, high))
    return (stated.low, stated.high) not in _USUAL and -0.1 < first < 0.4 and 0.6 < last < 1.1


def _shares(value: NDArray[np.floating], output: OutputContract) -> NDArray[np.float64]:
    return (picture_values(value, output) - output.range.low) / (output.range.high - output.range.low)


def _score(picture: Pixels, shares: NDArray[np.float64], photo: Pixels) -> float:
    after, before = _small(picture), _small(photo)
    far = float(np.mean((shares < -0.1) | (shares > 1.1)))
    saturated = float(np.mean((shares <= 0) | (shares >= 1)))
    score = correlation(after.mean(axis=2), before.mean(axis=2)) - far - saturated
    if after.shape[2] >= 3 and before.shape[2] >= 3:
        pairs = ((0, 1), (2, 1))
        differences = [(before[..., a] - before[..., b], after[..., a] - after[..., b]) for a, b in pairs]
        score += float(np.mean([correlation(*pair) for pair in differences]))
    difference = np.abs(after.mean(axis=2) - before.mean(axis=2)) if after.shape != before.shape else after - before
    return score - 2 * float(np.mean(np.abs(difference))) / 255


def _small(pixels: Pixels) -> NDArray[np.float64]:
    planes = [
        Image.fromarray(pixels[..., n]).resize((_SIDE, _SIDE), Image.Resampling.BOX) for n in range(pixels.shape[2])
    ]
    return np.stack([np.asarray(plane, np.float64) for plane in planes], axis=2)


def correlation(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Correlate two planes; 0 where one has a single value."""
    if first.std() < 1e-9 or second.std() < 1e-9:
        return 0.0
    return float(np.corrcoef(first.ravel(), second.ravel())[0, 1])


def ranked(candidates: Sequence[Candidate]) -> list[Candidate]:
    """
    Sort candidates, the best first, and mark those that pictures do not distinguish from the best.

    Among these the usual contract wins: a network gives what it takes. A network that follows the scale of its input
    gives sane pictures under every range, so the best score proves nothing. Neither do pictures show whether
    blue comes first: a style may well prefer it. So red is first wherever its numbers are sane.
    """
    red = [one for one in candidates if one.reading.contract.color_order == "rgb"] or candidates
    best = max(one.score for one in red)
    if max((one.score for one in red if one.output.activation == "none"), default=-np.inf) == best:
        candidates = [one for one in candidates if one.output.activation == "none"]
    window = _TIED_BY_SCALE if follows_scale(candidates) else TIED
    marked = [replace(one, tied=best <= 0 or one.score >= best - _window(one, window)) for one in candidates]
    order = {candidate.reading.name: number for number, candidate in enumerate(candidates)}
    return sorted(
        marked,
        key=lambda one: (
            not one.tied,
            one.reading.contract.color_order != "rgb" if one.tied else -one.score,
            not one.gives_what_it_takes,
            order[one.reading.name],
        ),
    )


def _window(one: Candidate, wide: float) -> float:
    return wide if one.gives_what_it_takes else TIED


def follows_scale(candidates: Sequence[Candidate]) -> bool:
    """Return True if the output is of whatever range the input is of: residual networks, super-resolution."""
    found = {one.reading.range.high: one for one in candidates if one.reading.range and one.reading.range.low == 0}
    return len(found) == 2 and all(one.gives_what_it_takes for one in found.values())


def largest_difference(first: Candidate, second: Candidate) -> float:
    """Return the mean difference of the pictures of two candidates, of 255."""
    pairs = zip(first.pictures, second.pictures, strict=True)
    return float(np.mean([np.abs(a.astype(np.float64) - b).mean() for a, b in pairs]))
