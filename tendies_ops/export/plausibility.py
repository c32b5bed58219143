"""
Judge whether the contract can be right at all, by the numbers that the network gives.

The proof feeds source and export through the same contract, so it cannot see a wrong range, colour order or activation.
The numbers often can: they are far outside the stated range, use a sliver of it, or are logits where scores should be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tendies_ops.errors import ImplausibleError
from tendies_ops.export.input_doubts import Run, judge_input
from tendies_ops.export.parity import Expectation, decoded
from tendies_ops.export.reference import picture_values
from tendies_ops.export.trial.trial_images import percentiles, read_range
from tendies_ops.spec import Contract, OutputContract
from tendies_ops.spec.manifest import PlausibilityEntry

Numbers = NDArray[np.float64]
#: Shares of the stated range's width, or of all values.
_FAR = 0.1
_MOST_FAR_VALUES = 0.1
_LEAST_USED = 0.35
_LEAST_BRIGHT, _LEAST_DARK = 0.6, 0.4
_FLAT = 0.04
_WIDEST = 2.5  #: a stated range, in widths of the usual range that holds the values
#: How much of 0..255 the golden pictures must use before a picture that uses little of it is evidence.
_INPUT_USES = 0.6
_SLACK = 0.05  #: how far a probability may be outside 0..1


def judge(expected: Sequence[Expectation], contract: Contract, run: Run | None = None) -> list[PlausibilityEntry]:
    """
    Compare the numbers that the source gives for the golden images with the contract.

    :param run: runs the source on a batch of one picture; given, the other usual readings of its input are tried.
    :return: one entry for each output that can be judged, with the doubts about it as text.
    """
    pixels = [decoded(expectation.golden.data, contract) for expectation in expected]
    entries = _judge_outputs(expected, pixels, contract)
    name = _most_informative(expected[0].outputs, contract)
    if run is None or name is None:
        return entries
    try:
        doubts, untold = judge_input(run, pixels, contract, name)
    except Exception as error:  # the golden images went through; parts of them, or larger numbers, need not
        reason = " ".join(str(error).split())[:200]
        doubts, untold = [], [f"contract.input.range: other readings cannot be tried ({reason})"]
    entry = next((entry for entry in entries if entry.output == name), None)
    if entry is None:
        entry = _entry(name, [expectation.outputs[name] for expectation in expected], None, ())
        entries.append(entry)
    judged = entry.model_copy(update={"doubts": (*entry.doubts, *doubts), "untold": tuple(untold)})
    return [judged if other is entry else other for other in entries]


def _most_informative(outputs: Mapping[str, NDArray[Any]], contract: Contract) -> str | None:
    """Choose the output to judge the input by: a picture before scores before other numbers, but not class numbers."""
    kinds = ("image", "classification", "segmentation", "regression", "tensor")
    judged = [name for name, values in outputs.items() if values.dtype.kind == "f" or values.dtype.name == "bfloat16"]
    judged = [name for name in judged if contract.for_output(name).kind in kinds]
    return min(judged, key=lambda name: kinds.index(contract.for_output(name).kind), default=None)


def _judge_outputs(
    expected: Sequence[Expectation], pixels: Sequence[NDArray[np.uint8]], contract: Contract
) -> list[PlausibilityEntry]:
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
    """Give the numbers in one line, and each doubt and each thing that pictures cannot decide in one more."""
    stated = "" if entry.outside is None else f"; {entry.outside:.1%} are far outside the stated range"
    numbers = f"98 % of the values of `{entry.output}` are between {entry.p1:.4g} and {entry.p99:.4g}{stated}"
    untold = [f"Not verified: {statement}." for statement in entry.untold]
    return [numbers, *(f"Warning: {doubt}" for doubt in entry.doubts), *untold]


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
    low, high = percentiles(_joined(values))
    return PlausibilityEntry(output=name, p1=low, p99=high, outside=outside, doubts=doubts)


def _judge_picture(
    name: str, key: str, values: Sequence[NDArray[Any]], pixels: Sequence[NDArray[np.uint8]], output: OutputContract
) -> PlausibilityEntry:
    pictures = [picture_values(value, output) for value in values]
    numbers = _joined(pictures)
    width = output.range.high - output.range.low
    shares = (numbers - output.range.low) / width
    outside = float(np.mean((shares < -_FAR) | (shares > 1 + _FAR)))
    doubt = _doubt_of_range(shares, outside, percentiles(_joined(pixels) / 255.0))
    found = read_range(*percentiles(numbers))
    if not doubt and found is not None and width > _WIDEST * (found.high - found.low):
        doubt = f"the values fit {{low: {found.low:g}, high: {found.high:g}}}, a small part of the stated range"
    doubts = (f"{key}: the pictures of `{name}` cannot be right: {doubt}. {_advice(key, values, output)}",)
    return _entry(name, pictures, outside, doubts if doubt else ())


def _doubt_of_range(shares: Numbers, outside: float, given: tuple[float, float]) -> str:
    """
    Name what is wrong with values of which 0 is black and 1 is white; nothing if all may be well.

    :param given: the same percentiles of the golden images; pictures of one colour are little evidence of a range.
    """
    if outside > _MOST_FAR_VALUES:
        return f"{outside:.0%} of the values are far outside the stated range and would be clipped to black or white"
    low, high = percentiles(shares)
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
    low, high = percentiles(_joined([picture_values(value, raw) for value in values]))
    found = f"The network gives {low:.4g} to {high:.4g} (1st to 99th percentile), and {key}.range says "
    found += f"{output.range.low:g} to {output.range.high:g}"
    reading = read_range(low, high)
    if output.activation != "none":
        return f"{found} after activation {output.activation}. Does the network end in one already?"
    if reading is not None and reading != output.range:
        return f"{found}. {{low: {reading.low:g}, high: {reading.high:g}}} would fit these numbers."
    logits = " or are these logits, which need activation: sigmoid" if low < 0 else ""
    return f"{found}. Is contract.input.range what the network was trained on{logits}?"


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
