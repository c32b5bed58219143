"""
What a request target asks for.

Source: tensorflow/serving model_servers/http_rest_api_util.cc and libevent's http.c (what is a well-formed target).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import unquote_to_bytes

from tendies_ops.server.status import StatusError, invalid_argument

Action = Literal["predict", "classify", "regress", "metadata", "status"]

_PREDICTION: Final = re.compile(
    r"/v1/models/([^/:]+)(?:(?:/versions/([0-9]+))|(?:/labels/([^/:]+)))?:(classify|regress|predict)",
    re.IGNORECASE | re.ASCII,
)
_STATUS: Final = re.compile(
    r"/v1/models(?:/([^/:]+))?(?:(?:/versions/([0-9]+))|(?:/labels/([^/:]+)))?(?:/(metadata))?",
    re.IGNORECASE | re.ASCII,
)
_REST: Final = re.compile(r"/v1/.*", re.IGNORECASE | re.ASCII)

# RFC 3986, as evhttp_uri_parse reads it: a target outside it is answered with an HTML page.
_UNRESERVED: Final = r"(?:[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})"
_TARGET: Final = re.compile(
    rf"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.\-]*):)?"
    rf"(?P<authority>//(?:(?:{_UNRESERVED}|:)*@)?(?:\[[0-9A-Fa-f:.]+\]|{_UNRESERVED}*)(?::(?P<port>[0-9]*))?(?![^/?#]))?"
    rf"(?P<path>(?:{_UNRESERVED}|[:@/])*)"
    rf"(?P<query>\?(?:{_UNRESERVED}|[:@/?])*)?"
    rf"(?P<fragment>\#(?:{_UNRESERVED}|[:@/?])*)?"
)


@dataclass(frozen=True)
class Target:
    """A request target: the path alone, and with query and fragment, which the routes see as part of it."""

    path: str
    whole: str
    is_absolute: bool = False  #: given with ``http://`` or ``https://`` and a host, as to a proxy

    @property
    def is_rest(self) -> bool:
        """Whether it is below ``/v1/``."""
        return _REST.fullmatch(self.whole) is not None


@dataclass(frozen=True)
class Route:
    """What is asked of which model."""

    action: Action
    model_name: str
    version: int | None = None
    label: str | None = None


def parse_target(target: str) -> Target | None:
    """
    Split a request target, origin form or absolute form.

    :return: None where it is not well-formed.
    """
    match = _TARGET.fullmatch(target)
    if match is None:
        return None
    path = match["path"]
    scheme, authority = match["scheme"], match["authority"]
    if scheme is None and authority is None and ":" in path.partition("/")[0]:
        return None  # what stands before the colon is no scheme
    port = (match["port"] or "").lstrip("0")
    if len(port) > 5 or int(port or 0) > 65535:
        return None
    whole = path + (match["query"] or "") + (match["fragment"] or "")
    is_absolute = authority is not None and (scheme or "").lower() in ("http", "https")
    return Target(path, whole, is_absolute=is_absolute)


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
