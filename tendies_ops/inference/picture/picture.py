"""One picture of a run, from its file to its outcome, and the parts of it that are sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tendies_ops.inference.ledger.outcomes import FailureKind, Found, Outcome
from tendies_ops.inference.picture.parameter_pictures import is_picture
from tendies_ops.inference.picture.picture_parameters import to_record
from tendies_ops.inference.picture.prepare import Finish
from tendies_ops.inference.picture.sizes import WHOLE, Window


@dataclass(slots=True, eq=False)
class Picture:
    """One picture in progress. Only the run's own thread changes it."""

    found: Found
    attempt: int
    input_digest: str
    finish: Finish
    answers: list[Any]  #: of each part; None until it has arrived
    held_bytes: int  #: its estimated share of the memory limit
    replaces: tuple[str, ...] = ()  #: results of an earlier run
    windows: tuple[Window, ...] = (WHOLE,)  #: place of each part in it
    over: bool = False  #: it has its outcome
    milliseconds: float = 0.0  #: of the request that answered it, or its parts' shares of theirs
    batch_size: int = 0  #: parts in the request that answered it, or its own if there are several
    note: str = ""  #: note about its result
    parameters: Mapping[str, Any] = field(default_factory=dict)  #: what is sent with each part

    @property
    def shared_pictures(self) -> tuple[str, ...]:
        """The digests of the pictures among its parameters: requests hold parts with the same ones."""
        return tuple(value["digest"] for value in self.parameters.values() if is_picture(value))

    @property
    def shared_bytes(self) -> int:
        """The encoded bytes of the pictures among its parameters."""
        return sum(value["size_bytes"] for value in self.parameters.values() if is_picture(value))

    @property
    def complete(self) -> bool:
        """Return True if every part is answered."""
        return all(answer is not None for answer in self.answers)

    def failed(self, kind: FailureKind | None, reason: str) -> Outcome:
        """Return the outcome of a picture that could not be processed."""
        return Outcome(self.found, "failed", kind, reason, self.input_digest, parameters=to_record(self.parameters))

    def take(self, index: int, answer: Any, milliseconds: float, batch_size: int) -> None:
        """Keep the answer to one part, with the duration and the number of parts of its request."""
        self.answers[index] = answer
        alone = len(self.answers) == 1
        self.milliseconds += milliseconds if alone else milliseconds / batch_size
        self.batch_size = batch_size if alone else len(self.answers)


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One file of a picture that is sent."""

    picture: Picture
    index: int
    data: bytes
    size: tuple[int, int]  #: height and width, in pixels

    @property
    def megapixels(self) -> float:
        """The megapixels of the part."""
        return self.size[0] * self.size[1] / 1e6
