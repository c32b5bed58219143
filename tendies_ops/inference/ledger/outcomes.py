"""The outcome of a picture: exactly one, and a readable reason for a failure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

OutcomeName = Literal["done", "skipped", "failed"]

FailureKind = Literal[
    "unreadable",  # the file or folder cannot be read
    "not_an_image",
    "unsupported",  # an image, of a kind that is not handled
    "too_large",  # above a limit on bytes, pixels or frames
    "damaged",  # it does not decode
    "refused",  # the model refused it, alone
    "server_error",  # the server fails on it, alone, and on nothing else
    "bad_output",  # the model's answer is not an image
    "unwritable",  # its output cannot be written, though others can
]

#: The same bytes, model and options fail again, so they are not tried again until one of them changes.
LASTING_KINDS = frozenset({"not_an_image", "unsupported", "damaged", "refused"})


class PictureError(Exception):
    """One picture cannot be processed; the run continues."""

    def __init__(self, kind: FailureKind, reason: str) -> None:
        super().__init__(reason)
        self.kind: FailureKind = kind
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Found:
    """One file, as the listing shows it."""

    path: str  #: relative to the input, ``/`` between its parts; undecodable bytes as surrogates
    size_bytes: int
    modified_ns: int  #: 0 if the storage does not report it
    output_stem: str  #: relative to the output, without extension; no other file of the folder has it
    problem: str = ""  #: why it cannot be read: a dangling link, a folder without permission


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one picture in this run."""

    found: Found
    outcome: OutcomeName
    kind: FailureKind | None = None
    reason: str = ""
    input_digest: str = ""
    output: str = ""  #: the main result, relative to the output folder
    output_digest: str = ""
    output_size_bytes: int = 0  #: of that result's file
    output_modified_ns: int = 0  #: of that result's file; 0 if the storage does not report it
    milliseconds: float = 0.0  #: of the request that answered it
    batch_size: int = 0  #: pictures in that request
    further_outputs: tuple[str, ...] = ()  #: the other files of the result
    note: str = ""  #: about a result that is done, such as pages that were left out
    parameters: Mapping[str, Any] | None = None  #: the model's inputs besides the picture, as the ledger keeps them

    @property
    def outputs(self) -> tuple[str, ...]:
        """The files of the result."""
        return (self.output, *self.further_outputs) if self.output else ()
