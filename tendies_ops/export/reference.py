"""
The contract once more, in NumPy: what a picture must become, computed apart from the graph that is served.

Parity compares the two, so a mistake in the graph's contract shows as well as one in the network.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tendies_ops.spec import InputContract, OutputContract

Pixels = NDArray[np.uint8]


def network_input(pixels: Pixels, contract: InputContract) -> NDArray[Any]:
    """
    Compute what the network is fed for one picture.

    :param pixels: ``uint8 [height, width, channels]`` as decoded, red first.
    :return: a batch of one, in the contract's dtype and layout.
    """
    values = _at_network_size(pixels, contract)
    if contract.color_order == "bgr" and contract.channels >= 3:
        values = values[:, :, [2, 1, 0, 3][: contract.channels]]
    if contract.dtype == "uint8":
        values = np.rint(values).astype(np.uint8)
    else:
        # In float32, because networks of 8-bit operations answer otherwise when an input differs in its last bit.
        step = np.float32(255.0 / (contract.range.high - contract.range.low))
        values = values.astype(np.float32) / step + np.float32(contract.range.low)
        values = values - np.asarray(contract.subtract_mean or [0.0], np.float32)
        values = (values / np.asarray(contract.divide_by or [1.0], np.float32)).astype(contract.dtype)
    batch = values[np.newaxis]
    return np.ascontiguousarray(batch.transpose(0, 3, 1, 2) if contract.layout == "nchw" else batch)


def output_pixels(
    values: NDArray[Any], size: tuple[int, int], contract: OutputContract, *, was_resized: bool
) -> Pixels:
    """
    Compute the pixels that the served graph must encode.

    :param values: one picture's output, without the batch dimension.
    :param size: height and width of the picture as it came.
    """
    planes = values.transpose(1, 2, 0) if contract.layout == "nchw" and values.ndim == 3 else values
    pixels = _class_pixels(planes, contract) if contract.kind == "segmentation" else _scaled(values, contract)
    height, width = size[0] * contract.scale, size[1] * contract.scale
    if not was_resized:
        pixels = pixels[:height, :width]
    if contract.restore_size and pixels.shape[:2] != (height, width):
        method = "nearest" if contract.kind == "segmentation" else "bilinear"
        return np.rint(resized(pixels, (height, width), method)).astype(np.uint8)
    return pixels


def class_scores(values: NDArray[Any], contract: OutputContract) -> NDArray[np.float64]:
    """
    Compute the scores that a classification must answer.

    :param values: one picture's ``[classes]``.
    """
    scores = _activated(values.astype(np.float64).reshape(-1), contract)
    best = -np.sort(-scores)
    return best[: contract.top_k] if contract.top_k is not None and contract.labels is not None else scores


def plain_values(name: str, values: NDArray[Any], contract: OutputContract) -> NDArray[np.float64]:
    """Compute what an output that is not a picture must answer, for one picture."""
    numbers = values.astype(np.float64)
    if contract.kind == "detection":
        if name.endswith(("detection_classes", "num_detections")):
            return np.rint(numbers)
        return _activated(numbers, contract) if name.endswith("scores") else numbers
    numbers = _activated(numbers, contract)
    return numbers.reshape(()) if contract.kind == "regression" else numbers


def picture_values(values: NDArray[Any], contract: OutputContract) -> NDArray[np.float64]:
    """
    Compute the numbers that ``range`` is the range of, for one picture's output of kind image.

    :param values: one picture's output, in the contract's layout.
    :return: ``[height, width, channels]``, after the activation and ``add_mean``, in the network's colour order.
    """
    planes = values.transpose(1, 2, 0) if contract.layout == "nchw" else values
    numbers: NDArray[np.float64] = _activated(planes.astype(np.float64), contract) + np.array(
        contract.add_mean or [0.0]
    )
    return numbers


def _activated(values: NDArray[np.float64], contract: OutputContract) -> NDArray[np.float64]:
    if contract.activation == "sigmoid":
        shares: NDArray[np.float64] = 0.5 * (1.0 + np.tanh(0.5 * values))  # exp(-values) would overflow
        return shares
    if contract.activation == "softmax":
        powers = np.exp(values - values.max(axis=-1, keepdims=True))
        normalised: NDArray[np.float64] = powers / powers.sum(axis=-1, keepdims=True)
        return normalised
    return values


def _at_network_size(pixels: Pixels, contract: InputContract) -> NDArray[Any]:
    if contract.size is not None:
        if contract.resize == "exact":
            return pixels
        return resized(pixels, (contract.size.height, contract.size.width), contract.resize)
    rows, columns = (_mirrored(length, contract) for length in pixels.shape[:2])
    return pixels[rows][:, columns]


def _mirrored(length: int, contract: InputContract) -> NDArray[np.int64]:
    """``np.pad`` mode ``reflect``, which knows sides of 1."""
    margin, multiple = contract.margin, contract.multiple_of
    after = margin + -(length + 2 * margin) % multiple
    return np.pad(np.arange(length), (margin, after), mode="reflect" if length > 1 else "edge")


def _scaled(values: NDArray[Any], contract: OutputContract) -> Pixels:
    numbers = picture_values(values, contract)
    share = (numbers - contract.range.low) / (contract.range.high - contract.range.low)
    pixels: Pixels = np.clip(np.rint(share * 255.0), 0, 255).astype(np.uint8)
    if contract.color_order == "rgb":
        return pixels
    return np.concatenate([pixels[:, :, 2::-1], pixels[:, :, 3:]], axis=2)


def _class_pixels(values: NDArray[Any], contract: OutputContract) -> Pixels:
    if values.dtype.kind in "iub":
        classes = values.reshape(values.shape[:2]).astype(np.int64)
    elif values.shape[-1] == 1:
        classes = (_activated(values[..., 0].astype(np.float64), contract) > contract.threshold).astype(np.int64)
    else:
        classes = values.argmax(axis=-1)
    if contract.palette is None:
        numbers: Pixels = classes[..., np.newaxis].astype(np.uint8)
        return numbers
    table = np.array([list(bytes.fromhex(color[1:])) for color in contract.palette], np.uint8)
    colored: Pixels = table[classes]
    return colored


def resized(pixels: NDArray[Any], size: tuple[int, int], method: str) -> NDArray[np.float64]:
    """Resize separably, as one matrix a side; sample positions are those of half-pixel centres."""
    rows = resize_matrix(pixels.shape[0], size[0], method)
    columns = resize_matrix(pixels.shape[1], size[1], method)
    result: NDArray[np.float64] = np.einsum("ij,jkc,lk->ilc", rows, pixels.astype(np.float64), columns, optimize=True)
    return result.clip(0.0, 255.0)


def resize_matrix(source: int, target: int, method: str) -> NDArray[np.float64]:
    """``[target, source]``: how much each source pixel counts in each target pixel. Rows sum to 1."""
    scale = source / target
    position = np.arange(source)
    if method == "area":
        starts = np.arange(target)[:, None] * scale
        overlap = np.minimum(starts + scale, position + 1) - np.maximum(starts, position)
        weights = np.clip(overlap, 0.0, None)
    else:
        centres = (np.arange(target) + 0.5) * scale - 0.5
        if method == "nearest":
            nearest = np.minimum(np.floor((np.arange(target) + 0.5) * scale).astype(int), source - 1)
            weights = (position == nearest[:, None]).astype(np.float64)
        elif method == "bilinear":
            weights = np.clip(1.0 - np.abs(np.clip(centres, 0, source - 1)[:, None] - position), 0.0, None)
        else:
            # TensorFlow looks the weights up in a table of 1024 steps between two pixels (resize_bicubic_op.cc).
            whole = np.floor(centres)
            centres = whole + np.rint((centres - whole) * 1024) / 1024
            weights = _keys_cubic(np.abs(centres[:, None] - position))
    normalised: NDArray[np.float64] = weights / weights.sum(axis=1, keepdims=True)
    return normalised


def _keys_cubic(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Keys' cubic kernel with a = -0.5 (R. Keys, 1981), which tf.image.resize uses; pixels outside do not count."""
    near = (1.5 * distance - 2.5) * distance**2 + 1.0
    far = ((-0.5 * distance + 2.5) * distance - 4.0) * distance + 2.0
    return np.where(distance <= 1, near, np.where(distance < 2, far, 0.0))
