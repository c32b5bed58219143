"""
Input tensors from the JSON of a predict request, with the real server's checks in its order.

Source: tensorflow/serving util/json_tensor.cc.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from tendies_ops.server.graph.signatures import TensorInfo
from tendies_ops.server.graph.tensors import DType, Tensor, shape_text
from tendies_ops.server.json.parse_json import JsonObject
from tendies_ops.server.json.pretty_json import debug_string, refused
from tendies_ops.server.rest.json_values import converted, is_base64_object, make_tensor
from tendies_ops.server.status_codes import StatusError, invalid_argument

Inputs = Mapping[str, TensorInfo]


@dataclass(frozen=True)
class PredictInputs:
    """The content of a predict request."""

    tensors: Mapping[str, Tensor]
    row_format: bool  #: ``instances`` (answered with ``predictions``), not ``inputs`` (``outputs``)


def signature_name_of(document: Any) -> str:
    """
    Return the signature that a request names; empty for the default one.

    :raises StatusError: the document is not an object, or the name not a string.
    """
    if not isinstance(document, dict):
        raise refused(document, "Is not object")
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        raise refused(document, "not formatted correctly. 'signature_name' key must be a string value.")
    return name


def predict_inputs(document: JsonObject, inputs: Inputs, signature_name: str) -> PredictInputs:
    """
    Return the tensors of a predict request.

    :param inputs: the signature's.
    :raises StatusError: with the real server's message.
    """
    if not inputs:
        raise invalid_argument(f"Failed to get input map for signature: {signature_name or 'DEFAULT'}")
    if "instances" in document:
        return PredictInputs(_from_instances(_instances(document), inputs), row_format=True)
    if "inputs" in document:
        return PredictInputs(_from_columns(document["inputs"], inputs), row_format=False)
    raise invalid_argument("Missing 'inputs' or 'instances' key")


def _instances(document: JsonObject) -> list[Any]:
    if "inputs" in document:
        raise refused(document, "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist ")
    instances = document["instances"]
    if not isinstance(instances, list):
        raise refused(document, "Expecting 'instances' to be an list/array")
    if not instances:
        raise refused(document, "No values in 'instances' array")
    return instances


def _is_named(value: Any) -> bool:
    return isinstance(value, dict) and not is_base64_object(value)


def _from_instances(instances: list[Any], inputs: Inputs) -> dict[str, Tensor]:
    if not isinstance(instances[0], dict) and len(inputs) > 1:
        raise invalid_argument(
            "instances is a plain list, but expecting list of objects as multiple input tensors required as per "
            "tensorinfo_map"
        )
    named = _is_named(instances[0])
    only = next(iter(inputs))
    columns: dict[str, _Column] = {}
    for index, element in enumerate(instances):
        if _is_named(element) != named:
            what = "object but got list" if named else "value/list but got object"
            raise invalid_argument(f"Expecting {what} at item {index} of input list")
        for name, value in element.items() if named else ((only, element),):
            _add(columns, inputs, name, value, f"{index} key: {name}" if named else str(index))
        if named and element.keys() != inputs.keys():
            raise invalid_argument(
                f"Failed to process element: {index} of 'instances' list. JSON object: {debug_string(element)} "
                f"keys must be equal to: {','.join(sorted(inputs))}"
            )
    return {
        name: make_tensor(column.leaves, (len(instances), *column.shape), inputs[name].dtype)
        for name, column in columns.items()
    }


@dataclass(frozen=True)
class _Column:
    """The elements of ``instances`` for one input; all must have the shape of the first."""

    shape: tuple[int, ...]
    leaves: list[Any] = field(default_factory=list)


def _add(columns: dict[str, _Column], inputs: Inputs, name: str, item: Any, where: str) -> None:
    try:
        if name not in inputs:
            raise invalid_argument(f"JSON object: does not have named input: {name}")
        shape = dense_shape(item)
        leaves = flatten(item, shape, inputs[name].dtype)
        column = columns.setdefault(name, _Column(shape))
        size = math.prod(column.shape)
        if size != len(leaves):
            raise invalid_argument(f"Expecting tensor size: {size} but got: {len(leaves)}")
        if column.shape != shape:
            raise invalid_argument(f"Expecting shape {shape_text(column.shape)} but got: {shape_text(shape)}")
        column.leaves.extend(leaves)
    except StatusError as error:
        raise invalid_argument(f"Failed to process element: {where} of 'instances' list. Error: {error}") from None


def _from_columns(value: Any, inputs: Inputs) -> dict[str, Tensor]:
    if not _is_named(value):
        if len(inputs) > 1:
            raise invalid_argument(
                "inputs is a plain value/list, but expecting an object as multiple input tensors required as per "
                "tensorinfo_map"
            )
        name, info = next(iter(inputs.items()))
        return {name: _column(value, info.dtype)}
    tensors = {}
    for name, info in inputs.items():
        if name not in value:
            raise invalid_argument(f"Missing named input: {name} in 'inputs' object.")
        tensors[name] = _column(value[name], info.dtype)
    return tensors


def _column(value: Any, dtype: DType) -> Tensor:
    shape = dense_shape(value)
    return make_tensor(flatten(value, shape, dtype), shape, dtype)


def dense_shape(value: Any) -> tuple[int, ...]:
    """Return the shape that the first element of each list implies (GetDenseTensorShape)."""
    shape = []
    while isinstance(value, list):
        shape.append(len(value))
        if not value:
            break
        value = value[0]
    return tuple(shape)


def flatten(value: Any, shape: tuple[int, ...], dtype: DType) -> list[Any]:
    """
    Return the values of a nested list in row-major order, converted to the type.

    :raises StatusError: for the first value or list that does not fit.
    """
    leaves = _flatten_regular(value, shape)
    if leaves is None:
        return _flatten_checked(value, shape, dtype)
    return converted(leaves, dtype)


def _flatten_regular(value: Any, shape: tuple[int, ...]) -> list[Any] | None:
    level = [value]
    for size in shape:
        if not all(type(item) is list and len(item) == size for item in level):
            return None
        level = list(chain.from_iterable(level))
    return None if any(type(item) is list for item in level) else level


def _flatten_checked(value: Any, shape: tuple[int, ...], dtype: DType) -> list[Any]:
    """Check and convert the elements depth first, as FillTensorProto does."""
    leaves: list[Any] = []
    pending = [(value, 0)]
    while pending:
        item, level = pending.pop()
        if not isinstance(item, list):
            if level != len(shape):
                raise invalid_argument(
                    f"JSON Value: {debug_string(item)} found at incorrect level: {level + 1} in the JSON DOM. "
                    f"Expected at level: {len(shape)}"
                )
            leaves += converted([item], dtype)
            continue
        if level >= len(shape):
            raise invalid_argument(f"Encountered list at unexpected level: {level} expected < {len(shape)}")
        if len(item) != shape[level]:
            raise invalid_argument(
                f"Encountered list at unexpected size: {len(item)} at level: {level} expected size: {shape[level]}"
            )
        pending.extend((element, level + 1) for element in reversed(item))
    return leaves
