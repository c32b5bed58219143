"""
Request targets of the REST API.

Source: tensorflow/serving model_servers/http_rest_api_util.cc.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import unquote_to_bytes

from tendies_ops.server.status_codes import invalid_argument

Action = Literal["predict", "classify", "regress", "metadata", "status"]

_PREDICTION: Final = re.compile(
    r"/v1/models/([^/:]+)(?:(?:/versions/([0-9]+))|(?:/labels/([^/:]+)))?:(classify|regress|predict)",
    re.IGNORECASE | re.ASCII,
)
_STATUS: Final = re.compile(
    r"/v1/models(?:/([^/:]+))?(?:(?:/versions/([0-9]+))|(?:/labels/([^/:]+)))?(?:/(metadata))?",
    re.IGNORECASE | re.ASCII,
)


@dataclass(frozen=True)
class Route:
    """An action on a model."""

    action: Action
    model_name: str
    version: int | None = None
    label: str | None = None


def parse_route(method: str, target: str) -> Route:
    """
    Parse the target of a REST request.

    :raises StatusError: the target is malformed, or the version does not fit 64 bits.
    """
    pattern = {"POST": _PREDICTION, "GET": _STATUS}.get(method)
    match = pattern.fullmatch(target) if pattern else None
    if match is None or (method == "POST" and match[4] != match[4].lower()):  # the case of the verb counts
        raise invalid_argument(f"Malformed request: {method} {target}")
    model_name, version_text, label, last = match.groups()
    version = int(version_text[-20:]) if version_text else None
    if version is not None and (version >= 1 << 63 or version_text[:-20].strip("0")):
        raise invalid_argument(f"Failed to convert version: {version_text} to numeric.")
    action: Action = last if method == "POST" or last == "metadata" else "status"  # type: ignore[assignment]  # of the pattern
    return Route(
        action=action,
        model_name=_decoded(model_name or ""),
        version=version,
        label=None if label is None else _decoded(label),
    )


def _decoded(text: str) -> str:
    return unquote_to_bytes(text).decode("utf-8", "surrogateescape")
