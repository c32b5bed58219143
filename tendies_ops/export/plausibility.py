"""
Judge whether the contract can be right at all, by the numbers that the network gives.

The proof feeds source and export through the same contract, so it cannot see a wrong range, colour order or activation.
The numbers often can: they are far outside the stated range, use a sliver of it, or are logits where scores should be.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tendies_ops.errors import ImplausibleError
from tendies_ops.export.parity import Expectation, decoded
from tendies_ops.export.reference import picture_values
from tendies_ops.spec import Contract, OutputContract
from tendies_ops.spec.contract import ValueRange
from tendies_ops.spec.manifest import PlausibilityEntry

Numbers = NDArray[np.float64]
#: Shares of the stated range's width, or of all values.
_FAR = 0.1
_MOST_FAR_VALUES = 0.1
_LEAST_USED = 0.35
_LEAST_BRIGHT, _LEAST_DARK = 0.6, 0.4
_FLAT = 0.04
#: How much of 0..255 the golden pictures must use before a picture that uses little of it says anything.
_INPUT_USES = 0.6
#: Correlations with the golden images: of the brightness, and of red minus blue.
_AS_BRIGHT, _OPPOSED = 0.3, -0.5
_SLACK = 0.05  #: how far a probability may be outside 0..1


def judge(expected: Sequence[Expectation], contract: Contract) -> list[PlausibilityEntry]:
    """
    Hold the numbers that the source gives for the golden images against the contract.

    :return: one entry for each output that can be judged, with the doubts about it in words.
    """
    pixels = [decoded(expectation.golden.data, contract) for expectation in expected]
    entries = []
    for name in expected[0].outputs:
        values = [expectation.outputs[name] for expectation in expected]
        key = f"contract.outputs.{name}" if name in contract.outputs else "contract.output"
        output = contract.for_output(name)
        if output.kind == "image":
            entries.append(_judge_picture(name, key, values, pixels, output))
        elif _are_probabilities(name, values[0], output):
            entries.append(_judge_probabilities(name, key, values, output))
        elif output.kind == "detection" and not any(other.endswith("detection_boxes") for other in expected[0].outputs):
            entries.append(_entry(name, values, None, (_no_boxes(name, key),)))
    return entries


def describe(entry: PlausibilityEntry) -> list[str]:
    """Say the numbers in one line, and each doubt in one more."""
    stated = "" if entry.outside is None else f"; {entry.outside:.1%} are far outside the stated range"
    numbers = f"98 % of the values of `{entry.output}` are between {entry.p1:.4g} and {entry.p99:.4g}{stated}"
    return [numbers, *(f"Warning: {doubt}" for doubt in entry.doubts)]


def require_plausible(entries: Sequence[PlausibilityEntry]) -> None:
    """
    Turn the doubts into an error.

    :raises ImplausibleError: there is one.
    """
    doubts = [doubt for entry in entries for doubt in entry.doubts]
    if doubts:
        raise ImplausibleError(f"The contract does not look right, and --strict was given. {' '.join(doubts)}")


def _entry(
    name: str, values: Sequence[NDArray[Any]], outside: float | None, doubts: tuple[str, ...]
) -> PlausibilityEntry:
    low, high = _percentiles(_joined(values))
    return PlausibilityEntry(output=name, p1=low, p99=high, outside=outside, doubts=doubts)


def _judge_picture(
    name: str, key: str, values: Sequence[NDArray[Any]], pixels: Sequence[NDArray[np.uint8]], output: OutputContract
) -> PlausibilityEntry:
    pictures = [picture_values(value, output) for value in values]
    numbers = _joined(pictures)
    width = output.range.high - output.range.low
    shares = (numbers - output.range.low) / width
    outside = float(np.mean((shares < -_FAR) | (shares > 1 + _FAR)))
    doubt = _doubt_of_range(shares, outside, _percentiles(_joined(pixels) / 255.0))
    doubts = []
    if doubt:
        doubts.append(f"{key}: the pictures of `{name}` cannot be right: {doubt}. {_advice(key, values, output)}")
    if _swap_fits_better(pictures, pixels, output):
        doubts.append(
            f"{key}.color_order: with red and blue exchanged, the pictures of `{name}` are nearer to the golden images "
            f"in colour. Check color_order at both ends; it is {output.color_order} here."
        )
    return _entry(name, pictures, outside, tuple(doubts))


def _doubt_of_range(shares: Numbers, outside: float, given: tuple[float, float]) -> str:
    """
    Name what is wrong with values of which 0 is black and 1 is white; nothing if all may be well.

    :param given: the same percentiles of the golden images; pictures of one colour say little about a range.
    """
    if outside > _MOST_FAR_VALUES:
        return f"{outside:.0%} of the values are far outside the stated range and would be clipped to black or white"
    low, high = _percentiles(shares)
    if given[1] - given[0] < _INPUT_USES:
        return ""
    if high - low < _LEAST_USED or shares.std() < _FLAT:
        return f"the values use {max(high - low, 0.0):.0%} of the stated range, so the pictures are nearly flat"
    if low > _LEAST_DARK:
        return "the values use the bright part of the stated range only, though the golden images have dark parts"
    if high < _LEAST_BRIGHT:
        return "the values use the dark part of the stated range only, though the golden images have bright parts"
    return ""


def _advice(key: str, values: Sequence[NDArray[Any]], output: OutputContract) -> str:
    raw = output.model_copy(update={"activation": "none"})
    low, high = _percentiles(_joined([picture_values(value, raw) for value in values]))
    found = f"The network gives {low:.4g} to {high:.4g} (1st to 99th percentile), and {key}.range says "
    found += f"{output.range.low:g} to {output.range.high:g}"
    reading = read_range(low, high)
    if output.activation != "none":
        return f"{found} after activation {output.activation}. Does the network end in one already?"
    if reading is not None and reading != output.range:
        return f"{found}. {{low: {reading.low:g}, high: {reading.high:g}}} would fit these numbers."
    logits = " or are these logits, which need activation: sigmoid" if low < 0 else ""
    return f"{found}. Is contract.input.range what the network was trained on{logits}?"


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


def _swap_fits_better(pictures: Sequence[Numbers], pixels: Sequence[NDArray[np.uint8]], output: OutputContract) -> bool:
    """Tell by red minus blue: pictures that are as bright as what came, and opposed to it in that, are exchanged."""
    sign = 1 if output.color_order == "rgb" else -1
    agreements = []
    for picture, given in zip(pictures, pixels, strict=True):
        if given.shape[-1] < 3 or picture.shape[-1] < 3 or given.shape[:2] != picture.shape[:2]:
            return False
        before, after = given.astype(np.float64), picture
        if _agreement(before.mean(axis=2), after.mean(axis=2)) > _AS_BRIGHT:
            agreements.append(sign * _agreement(before[..., 0] - before[..., 2], after[..., 0] - after[..., 2]))
    colored = [agreement for agreement in agreements if agreement != 0]
    return bool(colored) and max(colored) < _OPPOSED


def _agreement(first: Numbers, second: Numbers) -> float:
    """Correlate two planes: 1 alike, -1 opposed, 0 unrelated or of one value."""
    if first.std() == 0 or second.std() == 0:
        return 0.0
    return float(np.corrcoef(first.ravel(), second.ravel())[0, 1])


def _are_probabilities(name: str, values: NDArray[Any], output: OutputContract) -> bool:
    if values.dtype.kind in "iub":
        return False
    if output.kind == "segmentation":
        axis = 0 if output.layout == "nchw" else -1
        return values.shape[axis] == 1 and 0 <= output.threshold <= 1
    return output.kind == "classification" or (output.kind == "detection" and name.endswith("detection_scores"))


def _judge_probabilities(
    name: str, key: str, values: Sequence[NDArray[Any]], output: OutputContract
) -> PlausibilityEntry:
    numbers = _joined(values)
    least, most = float(numbers.min()), float(numbers.max())
    inside = least >= -_SLACK and most <= 1 + _SLACK
    several = values[0].size > 1 and output.kind == "classification"
    doubts = []
    if output.activation == "none" and not inside:
        wanted = "softmax, or sigmoid where classes do not exclude each other" if several else "sigmoid"
        doubts.append(
            f"{key}.activation: `{name}` should be probabilities and goes from {least:.4g} to {most:.4g}. These look "
            f"like logits: set activation: {wanted}."
        )
    if output.activation != "none" and _are_normalised(values, output):
        doubts.append(
            f"{key}.activation: `{name}` is probabilities from {least:.4g} to {most:.4g} already, and activation "
            f"{output.activation} is applied to them once more. Leave it out."
        )
    return _entry(name, values, None, tuple(doubts))


def _are_normalised(values: Sequence[NDArray[Any]], output: OutputContract) -> bool:
    """Ask for signs of a final activation: all from 0 to 1, and for a softmax with the sum 1."""
    numbers = _joined(values)
    if numbers.min() < 0 or numbers.max() > 1:
        return False
    return output.activation == "sigmoid" or all(abs(float(np.sum(value, dtype=float)) - 1) < 1e-2 for value in values)


def _no_boxes(name: str, key: str) -> str:
    return (
        f"{key}: kind detection draws boxes from outputs named detection_boxes, detection_scores and "
        f"detection_classes; there is no detection_boxes, so `{name}` is handed over as numbers. Name the outputs so "
        "with source.output_tensors, or set kind: tensor."
    )


def _joined(arrays: Sequence[NDArray[Any]]) -> Numbers:
    return np.concatenate([array.astype(np.float64).ravel() for array in arrays])


def _percentiles(numbers: Numbers) -> tuple[float, float]:
    low, high = np.percentile(numbers, [1, 99]) if numbers.size else (0.0, 0.0)
    return float(low), float(high)
