"""
Comparison of what the source gives with the contract, before anything is built on it.

Both the served graph and its proof follow the contract, so a mistake in it can look right to both: a picture that was
enlarged twice is cropped to its first quarter by either.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from tendies_ops.errors import SpecError
from tendies_ops.export.parity import Expectation
from tendies_ops.spec import Contract, OutputContract

#: What TensorFlow takes as the name of an operation, without the ``/`` that would be a folder among the golden answers.
_NAME = re.compile(r"[A-Za-z0-9.][A-Za-z0-9_.\\-]*")
_CLASSES_OF_GREY = 256
_PICTURE_RANK = 3


def require_fitting(expected: Sequence[Expectation], contract: Contract) -> None:
    """
    Hold the source's outputs for the golden images against the contract.

    :raises SpecError: a name, a kind, a size or a range in it cannot be right.
    """
    outputs = expected[0].outputs
    unknown = [name for name in contract.outputs if name not in outputs]
    if unknown:
        raise SpecError(
            f"contract.outputs names `{unknown[0]}`, which the network does not give; it gives {', '.join(outputs)}."
        )
    for name in outputs:
        if not _NAME.fullmatch(name):
            raise SpecError(
                f"An output is called {name!r}; requests can ask for names of letters, digits, `_`, `-` and `.` only. "
                "Give it another one with source.output_tensors."
            )
        values = [(expectation.size, expectation.outputs[name]) for expectation in expected]
        for _, array in values:
            _require_kind(name, array, contract)
        if contract.for_output(name).kind in ("image", "segmentation"):
            _require_size(name, values, contract)


def _require_kind(name: str, values: NDArray[Any], contract: Contract) -> None:
    output = contract.for_output(name)
    wrong = _useless_activation(name, values, output) or {
        "image": _not_a_picture,
        "segmentation": _not_a_label_map,
        "classification": _not_scores,
        "regression": _not_a_number,
    }.get(output.kind, _nothing)(values, output)
    if wrong:
        raise SpecError(
            f"The network gives `{name}` as {values.dtype} {list(values.shape)} a picture: {wrong} "
            f"({_key(name, contract)})."
        )


def _key(name: str, contract: Contract) -> str:
    return f"contract.outputs.{name}" if name in contract.outputs else "contract.output"


def _nothing(values: NDArray[Any], output: OutputContract) -> str:
    del values, output
    return ""


def _useless_activation(name: str, values: NDArray[Any], output: OutputContract) -> str:
    if output.activation == "none":
        return ""
    if values.dtype.kind in "iub" and not (output.kind == "detection" and not name.endswith("scores")):
        return f"whole numbers are not logits, so activation {output.activation} cannot be applied. Leave it out"
    axis = 0 if output.layout == "nchw" and output.kind in ("image", "segmentation") else -1
    if output.activation == "softmax" and values.shape[axis:][:1] in ((), (1,)):
        return "the softmax of a single number is always 1. Set activation: sigmoid"
    return ""


def _not_a_picture(values: NDArray[Any], output: OutputContract) -> str:
    axis = 0 if output.layout == "nchw" else -1
    if values.ndim != _PICTURE_RANK or values.shape[axis] not in (1, 3, 4):
        where = "first" if output.layout == "nchw" else "last"
        return (
            f"kind image needs 3 dimensions, of which the {where} is 1, 3 or 4 channels. "
            "Correct kind, layout or source.output_tensors"
        )
    if output.format == "jpeg" and values.shape[axis] == 4:
        return "a JPEG holds no alpha. Set format: png"
    if output.add_mean is not None and len(output.add_mean) not in (1, values.shape[axis]):
        return f"add_mean has {len(output.add_mean)} numbers; give 1 or {values.shape[axis]}, one a channel"
    if values.dtype.kind in "iu" and output.range.high <= 1 < values.max(initial=0):
        return f"they go up to {values.max()}, and all above 1 would be white. Set range, such as {{low: 0, high: 255}}"
    return ""


def _not_a_label_map(values: NDArray[Any], output: OutputContract) -> str:
    planes = values.transpose(1, 2, 0) if output.layout == "nchw" and values.ndim == _PICTURE_RANK else values
    whole = values.dtype.kind in "iub"
    if planes.ndim != _PICTURE_RANK and not (whole and planes.ndim == _PICTURE_RANK - 1):
        return "kind segmentation needs scores in 3 dimensions, or class numbers in 2. Correct kind"
    if whole and planes.ndim == _PICTURE_RANK and planes.shape[-1] != 1:
        return "class numbers are one a pixel. Correct layout or source.output_tensors"
    classes = max(2, int(planes.max(initial=0)) + 1 if whole else planes.shape[-1])
    colors = _CLASSES_OF_GREY if output.palette is None else len(output.palette)
    if classes > colors:
        return (
            f"{classes} classes are more than the {colors} {'colours' if output.palette else 'grey values'} there are"
        )
    return ""


def _not_scores(values: NDArray[Any], output: OutputContract) -> str:
    if values.size != max(values.shape, default=1):
        return "kind classification needs one row of scores. Correct kind or source.output_tensors"
    if output.labels is not None and len(output.labels) != values.size:
        return f"these are {values.size} classes, and labels has {len(output.labels)}"
    return ""


def _not_a_number(values: NDArray[Any], output: OutputContract) -> str:
    del output
    return "" if values.size == 1 else "kind regression needs one number. Correct kind or source.output_tensors"


def _require_size(name: str, values: Sequence[tuple[tuple[int, int], NDArray[Any]]], contract: Contract) -> None:
    """
    Refuse what cropping would make wrong.

    A strided network may give a few lines more than came: those are cropped. Twice as many are another picture.
    """
    taken, output = contract.input, contract.for_output(name)
    if taken.size is not None and taken.resize != "exact":
        return
    pairs = [(_side_lengths(array, output), _wanted(size, output)) for size, array in values]
    times = min(min(got // wanted for got, wanted in zip(*pair, strict=True)) for pair in pairs)
    if times > 1:
        raise SpecError(
            f"{_sizes(name, pairs[0], output)}, and all but its first corner would be cut off. "
            f"Set {_key(name, contract)}.scale: {times * output.scale}."
        )
    left_over = max(got - wanted for pair in pairs for got, wanted in zip(*pair, strict=True))
    if taken.margin and left_over > (taken.multiple_of - 1) * output.scale:
        raise SpecError(
            f"{_sizes(name, pairs[0], output)}: the network does not cut off all of contract.input.margin "
            f"({taken.margin}). Make it smaller, or leave it out."
        )
    smaller = [pair for pair in pairs if pair[0][0] < pair[1][0] or pair[0][1] < pair[1][1]]
    if smaller and output.kind == "image" and (taken.multiple_of > 1 or output.scale > 1):
        # What was padded cannot be cropped back from a smaller picture.
        raise SpecError(
            f"{_sizes(name, smaller[0], output)}: smaller than the contract says. "
            f"Correct {_key(name, contract)}.scale, or leave out contract.input.multiple_of ({taken.multiple_of})."
        )


def smaller_pictures(expected: Sequence[Expectation], contract: Contract) -> list[str]:
    """Report outputs that are smaller than their input: networks without padding cut off a border."""
    if contract.input.size is not None and contract.input.resize != "exact":
        return []
    found = []
    for name, values in expected[0].outputs.items():
        output = contract.for_output(name)
        if output.kind not in ("image", "segmentation"):
            continue
        pair = _side_lengths(values, output), _wanted(expected[0].size, output)
        if pair[0][0] < pair[1][0] or pair[0][1] < pair[1][1]:
            if output.restore_size:
                continue
            margin = max(-(-(wanted - got) // (2 * output.scale)) for got, wanted in zip(*pair, strict=True))
            found.append(
                f"{_sizes(name, pair, output)}: results are smaller than the pictures that came in. To keep the size, "
                f"set {_key(name, contract)}.restore_size: true; or contract.input.margin: {margin}, if borders are cut"
            )
    return found


def _sizes(name: str, pair: tuple[tuple[int, int], tuple[int, int]], output: OutputContract) -> str:
    got, wanted = (f"{height} x {width}" for height, width in pair)
    return f"The network gives `{name}` as {got} (height x width) where scale {output.scale} makes it {wanted}"


def _side_lengths(values: NDArray[Any], output: OutputContract) -> tuple[int, int]:
    rows, columns = values.shape[1:] if output.layout == "nchw" and values.ndim == _PICTURE_RANK else values.shape[:2]
    return rows, columns


def _wanted(size: tuple[int, int], output: OutputContract) -> tuple[int, int]:
    return size[0] * output.scale, size[1] * output.scale
