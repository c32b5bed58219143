"""Reading the kind of an output off its shape and its values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tendies_ops.export.network import Arrays
from tendies_ops.export.trial.trial_images import read_range_of
from tendies_ops.spec import OutputContract

#: A contract, and a comment on what is assumed in it.
ReadOutput: TypeAlias = tuple[OutputContract, str]
_CHANNELS = (1, 3, 4)
_PICTURE_RANK = 4
#: Shares of a mask's values that are near its ends, and near 1.
_NEAR_ENDS, _NEAR_ONE, _NEAR = 0.85, 0.005, 0.1


def main_output(outputs: Arrays) -> str:
    """Name the output that the trial is about: pictures before scores before everything else."""
    return min(outputs, key=lambda name: (*_rank_of(name, outputs[name]), list(outputs).index(name)))


def _rank_of(name: str, values: NDArray[Any]) -> tuple[int, int]:
    if name.endswith("detection_scores"):
        return 0, 0
    if values.ndim == _PICTURE_RANK:
        return 1, {3: 0, 4: 1, 1: 2}.get(min(values.shape[1], values.shape[-1]), 3)
    return (2, -values.ndim) if values.dtype.kind == "f" else (3, 0)


def gives_pictures(values: NDArray[Any], channels: int) -> bool:
    """Return True for a batch of pictures: as many channels as a picture has; one only for a grey picture."""
    if values.ndim != _PICTURE_RANK:
        return False
    given = _channels(values)
    return given in (3, 4) or (given == 1 and channels == 1)


def _channels(values: NDArray[Any]) -> int:
    return int(values.shape[1] if layout_of(values) == "nchw" else values.shape[-1])


def layout_of(values: NDArray[Any]) -> Literal["nhwc", "nchw"]:
    """Return the layout of a batch: channels are the shorter side."""
    if values.ndim != _PICTURE_RANK or values.shape[-1] in _CHANNELS:
        return "nhwc"
    return "nchw" if values.shape[1] < min(values.shape[2:]) else "nhwc"


def read_output(name: str, values: Sequence[NDArray[Any]], channels: int, *, is_detector: bool) -> ReadOutput:
    """
    Read the contract of an output that cannot be compared with the photos.

    :param values: one array a photo, each with its batch of one.
    :param channels: of the input.
    :return: the contract, and what is assumed about it, as a comment.
    """
    numbers = np.concatenate([value.astype(np.float64).ravel() for value in values])
    shape, whole = values[0].shape, values[0].dtype.kind in "iub"
    if is_detector:
        activation = _activation(numbers) if name.endswith("scores") and not whole else "none"
        return OutputContract(kind="detection", activation=activation), "boxes: give the class names as labels"
    if gives_pictures(values[0], channels):
        base = OutputContract(layout=layout_of(values[0]))
        return read_range_of([value[0] for value in values], base) or base, "a further picture"
    if len(shape) == _PICTURE_RANK:
        return _mask(values[0], numbers, whole=whole)
    if len(shape) == 2 and not whole:
        return _scores(values, numbers)
    return OutputContract(kind="tensor"), "numbers as they are"


def _mask(values: NDArray[Any], numbers: NDArray[np.float64], *, whole: bool) -> ReadOutput:
    layout = layout_of(values)
    if whole or _channels(values) > 1:
        return OutputContract(kind="segmentation", layout=layout), "the best of several classes for each pixel"
    activation = _activation(numbers)
    shares = 1 / (1 + np.exp(-numbers.clip(-60, 60))) if activation == "sigmoid" else numbers
    ends = float(np.mean((shares < _NEAR) | (shares > 1 - _NEAR)))
    common: dict[str, Any] = {"layout": layout, "activation": activation}
    if ends >= _NEAR_ENDS and float(np.mean(shares > 1 - _NEAR)) >= _NEAR_ONE:
        return OutputContract(
            kind="segmentation", **common
        ), "nearly all values are near 0 or 1; `kind: image` keeps them"
    return OutputContract(**common), "a grey picture; `kind: segmentation` cuts it at `threshold`"


def _scores(values: Sequence[NDArray[Any]], numbers: NDArray[np.float64]) -> ReadOutput:
    classes = values[0].shape[-1]
    activation = _activation(numbers)
    if classes == 1:
        if activation == "none":
            return OutputContract(kind="classification"), "one probability"
        return OutputContract(
            kind="regression"
        ), "one number; if it is a logit: `kind: classification`, `activation: sigmoid`"
    activation = "softmax" if activation == "sigmoid" else "none"
    comment = f"{classes} classes: give their names as labels"
    if activation == "softmax":
        comment += "; the values are logits, and softmax is for classes that exclude each other (else: sigmoid)"
    return OutputContract(kind="classification", activation=activation), comment


def _activation(numbers: NDArray[np.float64]) -> Any:
    """Return `sigmoid` for numbers that cannot be probabilities."""
    return "none" if numbers.size == 0 or (numbers.min() >= -0.05 and numbers.max() <= 1.05) else "sigmoid"


def shown(values: NDArray[Any]) -> NDArray[np.uint8] | str:
    """Draw or write the answer to one picture, without its batch, for people to compare."""
    if values.ndim == _PICTURE_RANK - 1:
        planes = values if layout_of(values[None]) == "nhwc" else values.transpose(1, 2, 0)
        plane = planes.argmax(axis=2) if planes.shape[2] > 1 else planes[..., 0]
        low, high = float(plane.min()), float(plane.max())
        pixels: NDArray[np.uint8] = ((plane - low) / max(high - low, 1e-9) * 255).astype(np.uint8)
        return pixels[..., None]
    numbers = values.reshape(-1)
    best = np.argsort(-numbers)[:4]
    return "\n".join(f"[{place}] {float(numbers[place]):.4g}" for place in best)
