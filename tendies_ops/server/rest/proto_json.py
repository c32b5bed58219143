"""
Status and metadata answers, as protobuf's JSON printer lays them out: one blank a level, a newline at the end.

Source: google/protobuf/json; which fields, from tensorflow/serving apis and http_rest_api_util.cc.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from tendies_ops.rest_api.status import VersionStatus
from tendies_ops.server.graph.signatures import Signature, TensorInfo

# protobuf escapes more than JSON must: what breaks HTML and what is invisible.
_ESCAPED: Final = re.compile(
    '["\\\\\x00-\x1f<>\x7f\xad\u0600-\u0603\u06dd\u070f\u17b4\u17b5\u200b-\u200f\u2028-\u202e\u2060-\u2064\u206a-\u206f'
    "\ufeff\ufff9-\ufffb]"
)
_SHORT: Final = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def _quoted(text: str) -> str:
    return '"' + _ESCAPED.sub(lambda match: _SHORT.get(match.group(), f"\\u{ord(match.group()):04x}"), text) + '"'


def _printed(value: Any, level: int = 0) -> str:
    """A message (dict), repeated field (list), string or bool."""
    inner, outer = "\n" + " " * (level + 1), "\n" + " " * level
    if isinstance(value, dict):
        items = [f"{inner}{_quoted(name)}: {_printed(item, level + 1)}" for name, item in value.items()]
        return "{" + ",".join(items) + outer + "}" if items else "{}"
    if isinstance(value, list):
        items = [inner + _printed(item, level + 1) for item in value]
        return "[" + ",".join(items) + outer + "]" if items else "[]"
    return ("true" if value else "false") if isinstance(value, bool) else _quoted(value)


def status_answer(statuses: Iterable[VersionStatus]) -> bytes:
    """The body of ``GET /v1/models/NAME``."""
    entries = [
        {
            "version": str(status.version),
            "state": status.state,
            "status": {"error_code": status.error_code, "error_message": status.error_message},
        }
        for status in statuses
    ]
    return (_printed({"model_version_status": entries}) + "\n").encode("utf-8", "replace")


def metadata_answer(model_name: str, version: int, signatures: Mapping[str, Signature]) -> bytes:
    """The body of ``GET /v1/models/NAME/metadata``: two printed messages, put together by hand as the real one does."""
    spec = _printed({"name": model_name, "version": str(version), "signature_name": ""})
    definitions = _printed({"signature_def": {name: _signature(item) for name, item in signatures.items()}})
    text = f'{{\n"model_spec":{spec}\n,\n"metadata": {{"signature_def": {definitions}\n}}\n}}\n'
    return text.encode("utf-8", "replace")


def _signature(signature: Signature) -> dict[str, Any]:
    return {
        "inputs": {name: _tensor_info(info) for name, info in signature.inputs.items()},
        "outputs": {name: _tensor_info(info) for name, info in signature.outputs.items()},
        "method_name": signature.method_name,
        "defaults": {},
    }


def _tensor_info(info: TensorInfo) -> dict[str, Any]:
    dims = [{"size": str(dim.size), "name": dim.name} for dim in info.shape or ()]
    return {
        "name": info.tensor_name,
        "dtype": info.dtype.proto_name,
        "tensor_shape": {"dim": dims, "unknown_rank": info.shape is None},
    }
