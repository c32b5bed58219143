"""What becomes of a picture: exactly one outcome, and for a failure a reason that a person understands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

OutcomeName = Literal["done", "skipped", "failed"]

FailureKind = Literal[
    "unreadable",  # the file or folder cannot be read
    "not_an_image",
    "unsupported",  # an image, of a kind that is not handled
    "too_large",  # above a limit on bytes, pixels or frames
    "damaged",  # it does not decode
    "refused",  # the model refused it, alone
    "server_error",  # the server fails on it, alone, and on nothing else
    "bad_output",  # what the model made of it is no image
    "unwritable",  # its output cannot be written, though others can
]

#: The same bytes, model and options fail again, so they are not tried again until one of them changes.
LASTING_KINDS = frozenset({"not_an_image", "unsupported", "damaged", "refused"})


class PictureError(Exception):
    """One picture cannot be done; the run goes on."""

    def __init__(self, kind: FailureKind, reason: str) -> None:
        super().__init__(reason)
        self.kind: FailureKind = kind
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Found:
    """One file, as the listing shows it."""

    path: str  #: relative to the input, ``/`` between its parts; undecodable bytes as surrogates
    size_bytes: int
    modified_ns: int  #: 0 where the storage does not tell
    output_stem: str  #: relative to the output, without extension; no other file of the folder has it
    problem: str = ""  #: why it cannot be read: a dangling link, a folder without permission


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one picture in this run."""

    found: Found
    outcome: OutcomeName
    kind: FailureKind | None = None
    reason: str = ""
    input_digest: str = ""
    output: str = ""  #: the result to look at first, relative to the output folder
    output_digest: str = ""
    output_size_bytes: int = 0  #: of that result's file
    output_modified_ns: int = 0  #: of that result's file; 0 where the storage does not tell
    milliseconds: float = 0.0  #: of the request that answered it
    batch_size: int = 0  #: pictures in that request
    further_outputs: tuple[str, ...] = ()  #: the other files of the result
    note: str = ""  #: of a done one: what should be known about its result, such as pages that were left out

    @property
    def outputs(self) -> tuple[str, ...]:
        """All files of the result."""
        return (self.output, *self.further_outputs) if self.output else ()
