"""
What a request target asks for.

Source: tensorflow/serving model_servers/http_rest_api_util.cc.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import unquote_to_bytes

from tendies_ops.server.status_codes import StatusError, invalid_argument

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
    """What is asked of which model."""

    action: Action
    model_name: str
    version: int | None = None
    label: str | None = None


def parse_route(method: str, target: str) -> Route:
    """
    Read what a REST request asks for.

    :raises StatusError: nothing that is known.
    :raises VersionTooBigError: the version is no int64.
    """
    pattern = {"POST": _PREDICTION, "GET": _STATUS}.get(method)
    match = pattern.fullmatch(target) if pattern else None
    malformed = invalid_argument(f"Malformed request: {method} {target}")
    if match is None:
        raise malformed
    model_name, version_text, label, last = match.groups()
    version = int(version_text[-20:]) if version_text else None
    if version is not None and (version >= 1 << 63 or version_text[:-20].strip("0")):
        raise VersionTooBigError(version_text)
    return Route(
        action=_action(method, last, malformed),
        model_name=_decoded(model_name or ""),
        version=version,
        label=None if label is None else _decoded(label),
    )


def _action(method: str, last: str | None, malformed: StatusError) -> Action:
    # The pattern ignores case, the comparison behind it does not.
    if method == "POST":
        for verb in ("predict", "classify", "regress"):
            if last == verb:
                return verb
        raise malformed
    return "metadata" if last == "metadata" else "status"


class VersionTooBigError(StatusError):
    """The version does not fit 64 bits; the real server answers 400 with an empty body."""

    def __init__(self, text: str) -> None:
        super().__init__("INVALID_ARGUMENT", f"Failed to convert version: {text} to numeric.")


def _decoded(text: str) -> str:
    return unquote_to_bytes(text).decode("utf-8", "surrogateescape")
