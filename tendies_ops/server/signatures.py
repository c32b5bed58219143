"""
The signatures of a SavedModel: names, types and shapes of what goes in and comes out.

Source of the field numbers: tensorflow/core/protobuf/meta_graph.proto and framework/tensor_shape.proto.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from tendies_ops.server import proto_wire as wire
from tendies_ops.server.status import invalid_argument
from tendies_ops.server.tensors import DType, dtype_of

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
    raw: bytes = b""  #: the SignatureDef itself, for the error text that prints it


def read_signatures(meta_graph: bytes) -> dict[str, Signature]:
    """
    :param meta_graph: a serialised MetaGraphDef.
    :raises wire.WireError: it is none.
    """
    found = {}
    for entry in wire.all_bytes(meta_graph, 5):
        name = _text(wire.last_bytes(entry, 1))
        found[name] = _signature(name, wire.last_bytes(entry, 2) or b"")
    return found


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


def _signature(name: str, raw: bytes) -> Signature:
    return Signature(
        name=name,
        inputs=_tensor_infos(raw, 1),
        outputs=_tensor_infos(raw, 2),
        method_name=_text(wire.last_bytes(raw, 3)),
        raw=raw,
    )


def _tensor_infos(raw: bytes, number: int) -> dict[str, TensorInfo]:
    entries = wire.all_bytes(raw, number)
    return {_text(wire.last_bytes(entry, 1)): _tensor_info(wire.last_bytes(entry, 2) or b"") for entry in entries}


def _tensor_info(raw: bytes) -> TensorInfo:
    return TensorInfo(
        tensor_name=_text(wire.last_bytes(raw, 1)),
        dtype=dtype_of(wire.last_int(raw, 2)),
        shape=_shape(wire.last_bytes(raw, 3) or b""),
    )


def _shape(raw: bytes) -> tuple[Dimension, ...] | None:
    if wire.last_int(raw, 3):
        return None
    return tuple(
        Dimension(wire.signed64(wire.last_int(dim, 1)), _text(wire.last_bytes(dim, 2)))
        for dim in wire.all_bytes(raw, 2)
    )


def _text(value: bytes | None) -> str:
    return (value or b"").decode("utf-8", "surrogateescape")
