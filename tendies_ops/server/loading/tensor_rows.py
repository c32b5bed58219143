"""
Tensors as rows: merging along the first dimension and splitting again.

Source of the checks and their texts: tensorflow/serving batching/batching_session.cc.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tendies_ops.server.graph.tensors import NumberTensor, OpaqueTensor, StringTensor, Tensor
from tendies_ops.server.status_codes import StatusError, invalid_argument


def rows_of(inputs: Mapping[str, Tensor]) -> int:
    """
    The size of a request.

    :raises StatusError: an input has no first dimension, they differ in it, or there are no rows.
    """
    sizes = []
    for tensor in inputs.values():
        if not tensor.shape:
            raise invalid_argument("Batching Run() input tensors must have at least one dimension")
        sizes.append(tensor.shape[0])
    if len(set(sizes)) != 1:
        raise invalid_argument("Batching Run() input tensors must have equal 0th-dimension size")
    if sizes[0] == 0:
        # The real server never answers such a request.
        raise invalid_argument("Batching Run() input tensors must have at least one row")
    return sizes[0]


def merge_rows(name: str, tensors: Sequence[Tensor], *, pad: bool = False) -> Tensor:
    """
    One tensor of many.

    :param name: for the error.
    :param pad: fill shorter dimensions up at their end.
    :raises StatusError: the other dimensions differ.
    """
    if len(tensors) == 1:
        return tensors[0]
    shapes = {tensor.shape[1:] for tensor in tensors}
    if len(shapes) > 1:
        tensors = _padded(name, tensors, pad)
    shape = (sum(tensor.shape[0] for tensor in tensors), *tensors[0].shape[1:])
    if all(isinstance(tensor, StringTensor) for tensor in tensors):
        return StringTensor(shape, [value for tensor in tensors for value in _values(tensor)])
    return NumberTensor(shape, np.concatenate([_values(tensor) for tensor in tensors]))


def _padded(name: str, tensors: Sequence[Tensor], pad: bool) -> list[Tensor]:
    ranks = {len(tensor.shape) for tensor in tensors}
    if not pad or len(ranks) > 1:
        raise StatusError(
            "FAILED_PRECONDITION",
            f"Tensors with name '{name}' from different tasks have different shapes and padding is turned off. Set "
            "pad_variable_length_inputs to true, or ensure that all tensors with the same name have equal dimensions "
            "starting with the first dim.",
        )
    largest = tuple(max(sizes) for sizes in zip(*(tensor.shape[1:] for tensor in tensors), strict=True))
    return [_filled_up(tensor, largest) for tensor in tensors]


def _filled_up(tensor: Tensor, sizes: tuple[int, ...]) -> Tensor:
    """Each row up to these sizes, with its own first element, as the real server pads."""
    shape = (tensor.shape[0], *sizes)
    source = np.array(_values(tensor), object if isinstance(tensor, StringTensor) else None).reshape(tensor.shape)
    filled = np.full(shape, source.flat[0] if source.size else 0, source.dtype)
    filled[tuple(slice(0, size) for size in tensor.shape)] = source
    if isinstance(tensor, StringTensor):
        return StringTensor(shape, list(filled.ravel()))
    return NumberTensor(shape, filled.ravel())


def repeat_first_row(tensor: Tensor, count: int) -> Tensor:
    """The first row, this many times."""
    row_size = math.prod(tensor.shape[1:])
    shape = (count, *tensor.shape[1:])
    row = _values(tensor)[:row_size]
    if isinstance(tensor, StringTensor):
        return StringTensor(shape, list(row) * count)
    return NumberTensor(shape, np.tile(row, count))


def split_rows(tensor: Tensor, sizes: Sequence[int]) -> list[Tensor]:
    """Tensors of these many rows each."""
    row_size = math.prod(tensor.shape[1:])
    parts: list[Tensor] = []
    start = 0
    for size in sizes:
        shape = (size, *tensor.shape[1:])
        if isinstance(tensor, OpaqueTensor):
            parts.append(OpaqueTensor(shape, tensor.dtype))
        else:
            values: Any = tensor.values[start * row_size : (start + size) * row_size]
            parts.append(
                StringTensor(shape, values) if isinstance(tensor, StringTensor) else NumberTensor(shape, values)
            )
        start += size
    return parts


def _values(tensor: Tensor) -> Any:
    if isinstance(tensor, OpaqueTensor):
        raise StatusError("UNIMPLEMENTED", f"Tensors of type {tensor.dtype.name} cannot be batched")
    return tensor.values
