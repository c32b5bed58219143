"""
Merging of tensors along the first dimension, and splitting them again.

Source of the checks and their texts: tensorflow/serving batching/batching_session.cc.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from tendies_ops.server.graph.tensors import Tensor
from tendies_ops.server.status_codes import StatusError, invalid_argument


def rows_of(inputs: Mapping[str, Tensor]) -> int:
    """
    Return the number of rows of a request.

    :raises StatusError: an input has no first dimension, the first dimensions differ, or there are no rows.
    """
    if any(not tensor.shape for tensor in inputs.values()):
        raise invalid_argument("Batching Run() input tensors must have at least one dimension")
    sizes = {tensor.shape[0] for tensor in inputs.values()}
    if len(sizes) != 1:
        raise invalid_argument("Batching Run() input tensors must have equal 0th-dimension size")
    if sizes == {0}:
        # The real server never answers such a request.
        raise invalid_argument("Batching Run() input tensors must have at least one row")
    return sizes.pop()


def merge_rows(name: str, tensors: Sequence[Tensor]) -> Tensor:
    """
    Join tensors along the first dimension.

    :param name: the tensor's name, for the error message.
    :raises StatusError: the other dimensions differ.
    """
    if len(tensors) == 1:
        return tensors[0]
    if len({tensor.shape[1:] for tensor in tensors}) > 1:
        raise StatusError(
            "FAILED_PRECONDITION",
            f"Tensors with name '{name}' from different tasks have different shapes and padding is turned off. Set "
            "pad_variable_length_inputs to true, or ensure that all tensors with the same name have equal dimensions "
            "starting with the first dim.",
        )
    values = [tensor.values for tensor in tensors if tensor.values is not None]
    if len(values) < len(tensors):
        raise StatusError("UNIMPLEMENTED", f"Tensors of type {tensors[0].dtype.name} cannot be batched")
    rows = sum(tensor.shape[0] for tensor in tensors)
    return replace(tensors[0], shape=(rows, *tensors[0].shape[1:]), values=np.concatenate(values))


def split_rows(tensor: Tensor, sizes: Sequence[int]) -> list[Tensor]:
    """Cut tensors with the given numbers of rows off the front of a tensor."""
    row_size = math.prod(tensor.shape[1:])
    parts: list[Tensor] = []
    start = 0
    for size in sizes:
        values = None if tensor.values is None else tensor.values[start * row_size : (start + size) * row_size]
        parts.append(replace(tensor, shape=(size, *tensor.shape[1:]), values=values))
        start += size
    return parts
