"""Requests: which parts of which pictures travel together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tendies_ops.inference.options import BatchOptions
from tendies_ops.inference.picture.picture import Part, Picture
from tendies_ops.inference.requests.failures import NEW, RequestHistory

_MOST_BUCKETS = 32  # sizes that wait for more of their kind; of the next one, the oldest goes as it is


@dataclass(slots=True, eq=False)
class Request:
    """Parts that travel together."""

    parts: list[Part]
    history: RequestHistory = NEW  #: of its failures
    whole: Whole | None = None  #: the request that this is a piece of

    @property
    def megapixels(self) -> float:
        """Of all parts."""
        return sum(part.megapixels for part in self.parts)

    @property
    def of_one_size(self) -> bool:
        """Return whether all parts have the same height and width."""
        return all(part.size == self.parts[0].size for part in self.parts)

    @property
    def only_file(self) -> bytes | None:
        """The file of its only part; None: it has several."""
        return self.parts[0].data if len(self.parts) == 1 else None

    def files(self) -> list[bytes]:
        """Return what is sent."""
        padding = bytes(self.history.padding)
        return [part.data + padding if padding else part.data for part in self.parts]

    def parameters(self) -> list[Mapping[str, Any]]:
        """Return what is sent with each file."""
        return [part.picture.parameters for part in self.parts]

    def hand_over(self, answers: Sequence[Any], milliseconds: float) -> list[Picture]:
        """
        Give each answer to its picture.

        :param milliseconds: that the request took.
        :return: the pictures that have all their answers now.
        """
        complete = []
        for part, answer in zip(self.parts, answers, strict=True):
            picture = part.picture
            if not picture.over:
                picture.take(part.index, answer, milliseconds, len(self.parts))
                if picture.complete:
                    complete.append(picture)
        return complete

    def cut(self, size: int) -> list[Request]:
        """Requests of at most ``size`` parts."""
        return [Request(self.parts[at : at + size]) for at in range(0, len(self.parts), size)]

    def cut_evenly(self, pieces: int) -> list[Request]:
        """At most so many requests, of about as many parts each; itself where that is one."""
        return self.cut(math.ceil(len(self.parts) / pieces)) if pieces > 1 else [self]

    def split(self) -> list[Request]:
        """Two halves."""
        middle = len(self.parts) // 2
        return self._pieces([self.parts[:middle], self.parts[middle:]], by_size=False)

    def split_by_size(self) -> list[Request]:
        """A request for each size of its parts."""
        groups: dict[tuple[int, int], list[Part]] = {}
        for part in self.parts:
            groups.setdefault(part.size, []).append(part)
        return self._pieces(list(groups.values()), by_size=True)

    def _pieces(self, groups: Sequence[list[Part]], *, by_size: bool) -> list[Request]:
        whole = Whole(len(self.parts), len(groups), by_size)
        return [Request(group, whole=whole) for group in groups]


@dataclass(slots=True, eq=False)
class Whole:
    """A request that was split: when all its pieces are answered, its size or its mixture was the trouble."""

    parts: int
    pieces: int
    by_size: bool
    answered: int = 0


@dataclass(slots=True)
class _Bucket:
    parts: list[Part] = field(default_factory=list)
    size_bytes: int = 0
    megapixels: float = 0.0

    def add(self, part: Part) -> None:
        self.parts.append(part)
        self.size_bytes += len(part.data)
        self.megapixels += part.megapixels


@dataclass(slots=True)
class Packer:
    """
    Fills requests in order.

    :param max_count: parts in a request; lowered when the server shows that it takes fewer.
    :param max_megapixels: of a request; lowered by what a megapixel is learned to cost against the server's timeout.
    :param by_size: only parts of one size travel together.
    """

    max_count: int
    max_bytes: int
    max_megapixels: float
    by_size: bool = False
    _buckets: dict[tuple[int, int] | None, _Bucket] = field(default_factory=dict)  # the one begun first is first

    @classmethod
    def for_options(cls, options: BatchOptions) -> Packer:
        """With the run's own limits."""
        return cls(options.max_batch_size, options.max_request_bytes, options.max_request_megapixels)

    @property
    def has_parts(self) -> bool:
        """Return whether a request is begun."""
        return bool(self._buckets)

    def add(self, parts: Sequence[Part]) -> list[Request]:
        """Take parts in; give back what is full."""
        full: list[Request] = []
        for part in parts:
            key = part.size if self.by_size else None
            bucket = self._buckets.get(key)
            if bucket is not None and not self._has_room(bucket, part):
                full.append(self._take(key))
                bucket = None
            if bucket is None:
                bucket = self._buckets[key] = _Bucket()
            bucket.add(part)
            if len(bucket.parts) >= self.max_count:
                full.append(self._take(key))
        while len(self._buckets) > _MOST_BUCKETS:
            full.append(self._take(next(iter(self._buckets))))
        return full

    def flush(self, pieces: int = 1) -> list[Request]:
        """
        Return what is left, as requests; empty when nothing is.

        :param pieces: servers can begin with so many at once; where fewer are left, they are cut, so that none is idle.
        """
        left = [self._take(key) for key in list(self._buckets)]
        shares = pieces // len(left) if left else 1
        return [piece for request in left for piece in request.cut_evenly(shares)]

    def fits(self, request: Request) -> bool:
        """Return whether a request that was packed before is still one that the server takes."""
        return len(request.parts) <= self.max_count and (not self.by_size or request.of_one_size)

    def repack(self, request: Request) -> list[Request]:
        """Requests that the server takes, of one that it does not take any more."""
        pieces = request.split_by_size() if self.by_size else [request]
        return [smaller for piece in pieces for smaller in piece.cut(self.max_count)]

    def _take(self, key: tuple[int, int] | None) -> Request:
        return Request(self._buckets.pop(key).parts)

    def _has_room(self, bucket: _Bucket, part: Part) -> bool:
        return (
            bucket.size_bytes + len(part.data) <= self.max_bytes
            and bucket.megapixels + part.megapixels <= self.max_megapixels
        )
