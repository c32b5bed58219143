"""
Status and metadata answers, in the format of protobuf's JSON printer: one blank per level, a newline at the end.

Source: google/protobuf/json; fields: tensorflow/serving apis and http_rest_api_util.cc.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from google.protobuf import json_format

from tendies_ops.rest_api.status import VersionStatus
from tendies_ops.server.graph.signatures import Signature

# protobuf escapes more than JSON requires: characters that break HTML, and invisible ones.
_ESCAPED: Final = re.compile(
    "[<>\x7f\xad\u0600-\u0603\u06dd\u070f\u17b4\u17b5\u200b-\u200f\u2028-\u202e\u2060-\u2064\u206a-\u206f"
    "\ufeff\ufff9-\ufffb]"
)


def status_answer(statuses: Iterable[VersionStatus]) -> bytes:
    """Return the body of ``GET /v1/models/NAME``."""
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
    """Return the body of ``GET /v1/models/NAME/metadata``: two messages, joined as the real server does."""
    spec = _printed({"name": model_name, "version": str(version), "signature_name": ""})
    definitions = _printed({"signature_def": {name: _fields(item) for name, item in signatures.items()}})
    text = f'{{\n"model_spec":{spec}\n,\n"metadata": {{"signature_def": {definitions}\n}}\n}}\n'
    return text.encode("utf-8", "replace")


def _fields(signature: Signature) -> Any:
    return json_format.MessageToDict(
        signature.definition, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )


def _printed(value: Any) -> str:
    text = json.dumps(value, indent=1, ensure_ascii=False)
    return _ESCAPED.sub(lambda match: f"\\u{ord(match.group()):04x}", text)
