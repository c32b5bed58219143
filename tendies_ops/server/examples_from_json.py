"""
From a classify or regress request's JSON to serialised ``tf.Example`` messages.

Source: tensorflow/serving util/json_tensor.cc, MakeExampleFromJsonObject; tensorflow core/example/feature.proto.
"""

from __future__ import annotations

import struct
from typing import Any, Final, Literal

from tendies_ops.server import proto_wire as wire
from tendies_ops.server.json_pretty import debug_string
from tendies_ops.server.json_text import JsonObject
from tendies_ops.server.json_values import decode_base64_object, is_base64_object, json_type
from tendies_ops.server.status import StatusError, invalid_argument

_Kind = Literal["bytes", "float", "int64"]
_LIST_FIELD: Final[dict[str, int]] = {"bytes": 1, "float": 2, "int64": 3}


def read_examples(document: JsonObject) -> list[bytes]:
    """
    The examples of a request, each behind the context that all share.

    :return: serialised tf.Example messages.
    :raises StatusError: with the real server's text.
    """
    context = _example(document["context"]) if "context" in document else b""
    return [context + _example(value) for value in _examples(document)]


def _examples(document: JsonObject) -> list[Any]:
    def refuse(what: str) -> StatusError:
        return invalid_argument(f"JSON Value: {debug_string(document)} {what}")

    if "examples" not in document:
        raise refuse("When method is classify, key 'examples' is expected and was not found")
    examples = document["examples"]
    if not isinstance(examples, list):
        raise refuse("Expecting 'examples' value to be an list/array")
    if not examples:
        raise refuse("'examples' value is an empty array")
    return examples


def _example(value: Any) -> bytes:
    if not isinstance(value, dict):
        raise invalid_argument(f"Example must be JSON object but got JSON {json_type(value)}")
    features = {
        name: _feature(name, content if isinstance(content, list) else [content]) for name, content in value.items()
    }
    entries = b"".join(
        wire.bytes_field(1, wire.bytes_field(1, name.encode("utf-8", "surrogateescape")) + wire.bytes_field(2, feature))
        for name, feature in features.items()
    )
    return wire.bytes_field(1, entries)


def _feature(name: str, values: list[Any]) -> bytes:
    kind: _Kind | None = None
    encoded = []
    for value in values:
        of_value = _kind_of(name, value)
        if kind not in (None, of_value):
            raise invalid_argument(f"Unexpected element type in feature: {name} expecting type: {kind}")
        kind = of_value
        encoded.append(_encoded(name, value, of_value))
    return b"" if kind is None else wire.bytes_field(_LIST_FIELD[kind], b"".join(encoded))


def _kind_of(name: str, value: Any) -> _Kind:
    if isinstance(value, float):
        return "float"
    if isinstance(value, int):  # true and false too
        return "int64"
    if isinstance(value, str) or is_base64_object(value):
        return "bytes"
    raise invalid_argument(f"Feature: {name} has element with unexpected JSON type: {json_type(value)}")


def _encoded(name: str, value: Any, kind: _Kind) -> bytes:
    if kind == "float":
        return wire.varint(1 << 3 | 5) + struct.pack("<f", _single(value))
    if kind == "int64":
        if value >= 1 << 63:
            raise invalid_argument(f"Feature: {name} has uint64_t element. Only int64_t is supported.")
        return wire.int_field(1, int(value))
    content = decode_base64_object(value) if isinstance(value, dict) else value.encode("utf-8", "surrogateescape")
    return wire.bytes_field(1, content)


def _single(value: float) -> float:
    try:
        struct.pack("<f", value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")
    return value
