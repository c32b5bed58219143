"""The signatures of a SavedModel: names, types and shapes of what goes in and comes out."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from tendies_ops.server.graph.tensors import DType, dtype_of
from tendies_ops.server.protobuf.messages import MetaGraphDef
from tendies_ops.server.status_codes import invalid_argument

DEFAULT_SIGNATURE = "serving_default"


@dataclass(frozen=True)
class Dimension:
    """One axis; -1 is any size."""

    size: int
    name: str = ""


@dataclass(frozen=True)
class TensorInfo:
    """One input or output."""

    tensor_name: str  #: in the graph, like ``serving_default_x:0``
    dtype: DType
    shape: tuple[Dimension, ...] | None  #: None: any rank


@dataclass(frozen=True)
class Signature:
    """One named way to call the model."""

    name: str
    inputs: Mapping[str, TensorInfo]
    outputs: Mapping[str, TensorInfo]
    method_name: str


def read_signatures(meta_graph: bytes) -> dict[str, Signature]:
    """
    Read the signatures of a graph.

    :param meta_graph: a serialised MetaGraphDef.
    :raises google.protobuf.message.DecodeError: it is none.
    """
    found = MetaGraphDef.FromString(meta_graph).signature_def
    return {
        name: Signature(
            name=name,
            inputs=_tensor_infos(found[name].inputs),
            outputs=_tensor_infos(found[name].outputs),
            method_name=found[name].method_name,
        )
        for name in sorted(found)
    }


def check_inputs(signature: Signature, sent: Collection[str]) -> None:
    """
    Compare what a request sends with what the signature takes (predict_util.cc, VerifyRequestInputsSize).

    :raises StatusError: they differ.
    """
    names, wanted = set(sent), set(signature.inputs)
    if names == wanted:
        return
    raise invalid_argument(
        f"input size does not match signature: {len(names)}!={len(wanted)} len({_braced(names)}) != "
        f"len({_braced(wanted)}). Sent extra: {_braced(names - wanted)}. "
        f"Missing but required: {_braced(wanted - names)}."
    )


def _braced(names: set[str]) -> str:
    return "{" + ",".join(sorted(names)) + "}"


def _tensor_infos(messages: Any) -> dict[str, TensorInfo]:
    return {
        name: TensorInfo(messages[name].name, dtype_of(messages[name].dtype), _shape(messages[name].tensor_shape))
        for name in sorted(messages)
    }


def _shape(message: Any) -> tuple[Dimension, ...] | None:
    return None if message.unknown_rank else tuple(Dimension(dim.size, dim.name) for dim in message.dim)
