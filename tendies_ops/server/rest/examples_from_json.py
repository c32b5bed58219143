"""
Serialised ``tf.Example`` messages from the JSON of a classify or regress request.

Source: tensorflow/serving util/json_tensor.cc, MakeExampleFromJsonObject; tensorflow core/example/feature.proto.
"""

from __future__ import annotations

from typing import Any

from tendies_ops.server.json.parse_json import JsonObject
from tendies_ops.server.json.pretty_json import refused
from tendies_ops.server.protobuf.messages import Example
from tendies_ops.server.rest.json_values import decode_base64_object, is_base64_object, json_type
from tendies_ops.server.status_codes import invalid_argument


def read_examples(document: JsonObject) -> list[bytes]:
    """
    Read the examples of a request, each merged with the context that they share.

    :return: serialised tf.Example messages.
    :raises StatusError: with the real server's message.
    """
    context = _example(document["context"]) if "context" in document else Example()
    return [_with_context(context, _example(value)) for value in _examples(document)]


def _with_context(context: Any, example: Any) -> bytes:
    whole = Example()
    whole.CopyFrom(context)
    for name, feature in example.features.feature.items():
        whole.features.feature[name].CopyFrom(feature)
    return bytes(whole.SerializeToString(deterministic=True))


def _examples(document: JsonObject) -> list[Any]:
    if "examples" not in document:
        raise refused(document, "When method is classify, key 'examples' is expected and was not found")
    examples = document["examples"]
    if not isinstance(examples, list):
        raise refused(document, "Expecting 'examples' value to be an list/array")
    if not examples:
        raise refused(document, "'examples' value is an empty array")
    return examples


def _example(value: Any) -> Any:
    if not isinstance(value, dict):
        raise invalid_argument(f"Example must be JSON object but got JSON {json_type(value)}")
    example = Example()
    for name, content in value.items():
        _fill(example.features.feature[name], name, content if isinstance(content, list) else [content])
    return example


def _fill(feature: Any, name: str, values: list[Any]) -> None:
    kind = None
    for value in values:
        of_value, converted = _converted(name, value)
        if kind not in (None, of_value):
            raise invalid_argument(f"Unexpected element type in feature: {name} expecting type: {kind}")
        kind = of_value
        getattr(feature, f"{kind}_list").value.append(converted)


def _converted(name: str, value: Any) -> tuple[str, Any]:
    if isinstance(value, float):
        return "float", value
    if isinstance(value, int):  # true and false too
        if value >= 1 << 63:
            raise invalid_argument(f"Feature: {name} has uint64_t element. Only int64_t is supported.")
        return "int64", int(value)
    if isinstance(value, str):
        return "bytes", value.encode()
    if is_base64_object(value):
        return "bytes", decode_base64_object(value)
    raise invalid_argument(f"Feature: {name} has element with unexpected JSON type: {json_type(value)}")
