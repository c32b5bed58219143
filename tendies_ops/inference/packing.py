"""Requests: which parts of which pictures travel together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tendies_ops.inference.options import BatchOptions
from tendies_ops.inference.outcomes import Found
from tendies_ops.inference.preparing import Finish


@dataclass(slots=True, eq=False)
class Picture:
    """One picture on its way. Changed by the run's own thread only."""

    found: Found
    attempt: int
    input_digest: str
    finish: Finish
    answers: list[bytes | None]
    held_bytes: int  #: what it is counted as against the memory bound
    replaces: str = ""  #: an output of an earlier run under another name
    over: bool = False  #: it has its outcome
    milliseconds: float = 0.0

    @property
    def complete(self) -> bool:
        """Whether every part is answered."""
        return all(answer is not None for answer in self.answers)


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One file of a picture that is sent."""

    picture: Picture
    index: int
    data: bytes
    megapixels: float


@dataclass(slots=True, eq=False)
class Request:
    """Parts that travel together."""

    parts: list[Part]
    failures: int = 0  #: times the server failed on it
    proved: int = 0  #: of these, how often the server answered something else in between
    needs_proof: bool = False  #: ask the server something harmless before it is sent again
    successes_seen: int = -1  #: the server's answers at the last failure
    halves: Halves | None = None  #: the request that this is one half of

    @property
    def megapixels(self) -> float:
        """Of all parts."""
        return sum(part.megapixels for part in self.parts)

    def cut(self, size: int) -> list[Request]:
        """Requests of at most ``size`` parts."""
        return [Request(self.parts[at : at + size]) for at in range(0, len(self.parts), size)]

    def split(self) -> tuple[Request, Request]:
        """Two halves."""
        middle = len(self.parts) // 2
        halves = Halves(len(self.parts))
        return Request(self.parts[:middle], halves=halves), Request(self.parts[middle:], halves=halves)


@dataclass(slots=True, eq=False)
class Halves:
    """What became of the two halves of a request: when both are answered, its size was the trouble."""

    size: int
    answered: int = 0


@dataclass(slots=True)
class Packer:
    """
    Fills requests in order.

    :param max_count: parts in a request; lowered when the server shows that it takes fewer.
    :param max_megapixels: of a request; lowered by what a megapixel is learned to cost against the server's timeout.
    """

    max_count: int
    max_bytes: int
    max_megapixels: float
    _parts: list[Part] = field(default_factory=list)
    _bytes: int = 0
    _megapixels: float = 0.0

    @classmethod
    def for_options(cls, options: BatchOptions) -> Packer:
        """With the run's own limits."""
        return cls(options.max_batch_size, options.max_request_bytes, options.max_request_megapixels)

    @property
    def has_parts(self) -> bool:
        """Whether a request is begun."""
        return bool(self._parts)

    def add(self, parts: Sequence[Part]) -> list[Request]:
        """Take parts in; give back what is full."""
        full: list[Request] = []
        for part in parts:
            if self._parts and not self._has_room_for(part):
                full.extend(self.flush())
            self._parts.append(part)
            self._bytes += len(part.data)
            self._megapixels += part.megapixels
            if len(self._parts) >= self.max_count:
                full.extend(self.flush())
        return full

    def flush(self) -> list[Request]:
        """What is left, as a request; empty when nothing is."""
        parts, self._parts, self._bytes, self._megapixels = self._parts, [], 0, 0.0
        return [Request(parts)] if parts else []

    def _has_room_for(self, part: Part) -> bool:
        return (
            self._bytes + len(part.data) <= self.max_bytes and self._megapixels + part.megapixels <= self.max_megapixels
        )
