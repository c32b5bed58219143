"""The signatures of a SavedModel: names and types of inputs and outputs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from google.protobuf import text_format

from tendies_ops.server.graph.tensors import DType, dtype_of
from tendies_ops.server.protobuf.messages import MetaGraphDef, SignatureDef
from tendies_ops.server.status_codes import invalid_argument

DEFAULT_SIGNATURE: Final = "serving_default"
_DEBUG_PREFIX: Final = "goo.gle/debugonly    \n"  # protobuf's reminder that this text is not for parsers


@dataclass(frozen=True)
class TensorInfo:
    """One input or output."""

    tensor_name: str  #: in the graph, like ``serving_default_x:0``
    dtype: DType


@dataclass(frozen=True)
class Signature:
    """One named way to call the model."""

    name: str
    inputs: Mapping[str, TensorInfo]
    outputs: Mapping[str, TensorInfo]
    definition: Any = field(default_factory=SignatureDef)  #: the message that it was read from

    def text(self) -> str:
        """Return the message as protobuf's DebugString prints it; some error messages contain it."""
        return _DEBUG_PREFIX + str(text_format.MessageToString(self.definition))


def read_signatures(meta_graph: bytes) -> dict[str, Signature]:
    """
    Read the signatures of a graph.

    :param meta_graph: a serialised MetaGraphDef.
    :raises google.protobuf.message.DecodeError: it is not a MetaGraphDef.
    """
    found = MetaGraphDef.FromString(meta_graph).signature_def
    return {
        name: Signature(name, _tensor_infos(found[name].inputs), _tensor_infos(found[name].outputs), found[name])
        for name in sorted(found)
    }


def check_inputs(signature: Signature, sent: Collection[str]) -> None:
    """
    Check that a request has exactly the inputs of the signature (predict_util.cc, VerifyRequestInputsSize).

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
    return {name: TensorInfo(messages[name].name, dtype_of(messages[name].dtype)) for name in sorted(messages)}
