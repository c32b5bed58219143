"""
Model Server's version states as it reports them.

    START -> LOADING -> AVAILABLE -> UNLOADING -> END

A version that failed to load is in END with an error code. Source: tensorflow/serving ``apis/get_model_status.proto``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from tendies_ops.errors import BadAnswerError
from tendies_ops.rest_api.plain_words import plain_words

_MAX_WORDS = 2000

#: The label that a release by labels moves to what it has proved, and that clients ask for.
STABLE = "stable"
State = Literal["UNKNOWN", "START", "LOADING", "AVAILABLE", "UNLOADING", "END"]


@dataclass(frozen=True)
class VersionStatus:
    """One entry of ``model_version_status``."""

    version: int
    state: State
    error_code: str = "OK"  #: a TensorFlow code's name
    error_message: str = ""

    @property
    def serves(self) -> bool:
        """True while the version answers requests."""
        return self.state == "AVAILABLE"

    @property
    def loading(self) -> bool:
        """True from the moment the server begins to load the version until it serves or has failed."""
        return self.state in {"START", "LOADING"}

    @property
    def failed(self) -> bool:
        """Return whether it ended because it could not be loaded, not because it was unloaded."""
        return self.state == "END" and self.error_code != "OK"


@dataclass(frozen=True)
class ServedVersions:
    """The versions that one server knows, and the one that a label names."""

    statuses: Mapping[int, VersionStatus]
    labelled: int | None = None  #: None: the server does not know the label for the model

    @property
    def serving(self) -> frozenset[int]:
        """The versions that answer requests."""
        return frozenset(version for version, status in self.statuses.items() if status.serves)


def highest_serving(statuses: Mapping[int, VersionStatus]) -> int | None:
    """Return the highest version that serves, which answers requests without a version; None if no version serves."""
    return max((version for version, status in statuses.items() if status.serves), default=None)


def parse_version_statuses(body: Mapping[str, Any]) -> dict[int, VersionStatus]:
    """
    Read the answer of ``GET /v1/models/NAME``.

    :return: version -> status, highest version first as the server sends it.
    :raises BadAnswerError: it is not such an answer.
    """
    try:
        entries = [_parse_entry(entry) for entry in body["model_version_status"]]
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        names = plain_words(", ".join(map(str, body)), 200)
        raise BadAnswerError(
            f"This is not a model status answer: it holds {names or 'nothing'} ({type(error).__name__})."
        ) from error
    return {entry.version: entry for entry in entries}


def _parse_entry(entry: Mapping[str, Any]) -> VersionStatus:
    state: State = entry["state"] if entry["state"] in get_args(State) else "UNKNOWN"
    status = entry.get("status", {})
    return VersionStatus(
        version=int(entry["version"]),
        state=state,
        error_code=_words(status.get("error_code", "OK")),
        error_message=_words(status.get("error_message", "")),
    )


def _words(value: Any) -> str:
    """
    Take what must be a text.

    :raises TypeError: it is something else.
    """
    if not isinstance(value, str):
        raise TypeError(f"a {type(value).__name__} where words were expected")
    return plain_words(value, _MAX_WORDS)
