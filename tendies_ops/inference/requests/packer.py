"""Pack parts of pictures into requests."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tendies_ops.inference.options import BatchOptions
from tendies_ops.inference.picture.picture import Part, Picture
from tendies_ops.inference.requests.failures import NEW, RequestHistory

_Key = tuple[tuple[int, int] | None, tuple[str, ...]]  # size, and digests of the pictures that all parts share
_MOST_BUCKETS = 32  # sizes that wait for more parts; with another one, the oldest is sent as it is


@dataclass(slots=True, eq=False)
class Request:
    """Parts that are sent together."""

    parts: list[Part]
    history: RequestHistory = NEW  #: its failures so far
    whole: Whole | None = None  #: the split request that this is a piece of

    @property
    def megapixels(self) -> float:
        """The megapixels of all parts."""
        return sum(part.megapixels for part in self.parts)

    @property
    def of_one_size(self) -> bool:
        """Return True if all parts have the same height and width."""
        return all(part.size == self.parts[0].size for part in self.parts)

    @property
    def only_file(self) -> bytes | None:
        """The file of its only part; None: it has several."""
        return self.parts[0].data if len(self.parts) == 1 else None

    def files(self) -> list[bytes]:
        """Return the files to send."""
        padding = bytes(self.history.padding)
        return [part.data + padding if padding else part.data for part in self.parts]

    def parameters(self) -> list[Mapping[str, Any]]:
        """Return what is sent with each file."""
        return [part.picture.parameters for part in self.parts]

    def hand_over(self, answers: Sequence[Any], milliseconds: float) -> list[Picture]:
        """
        Give each answer to its picture.

        :param milliseconds: duration of the request.
        :return: the pictures that are complete now.
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
        """Return requests of up to ``size`` parts."""
        return [Request(self.parts[at : at + size]) for at in range(0, len(self.parts), size)]

    def cut_evenly(self, pieces: int) -> list[Request]:
        """Return up to ``pieces`` requests of about equal size."""
        return self.cut(math.ceil(len(self.parts) / pieces)) if pieces > 1 else [self]

    def split(self) -> list[Request]:
        """Return two halves."""
        middle = len(self.parts) // 2
        return self._pieces([self.parts[:middle], self.parts[middle:]], by_size=False)

    def split_by_size(self) -> list[Request]:
        """Return a request for each size of its parts."""
        groups: dict[tuple[int, int], list[Part]] = {}
        for part in self.parts:
            groups.setdefault(part.size, []).append(part)
        return self._pieces(list(groups.values()), by_size=True)

    def _pieces(self, groups: Sequence[list[Part]], *, by_size: bool) -> list[Request]:
        whole = Whole(len(self.parts), len(groups), by_size)
        return [Request(group, whole=whole) for group in groups]


@dataclass(slots=True, eq=False)
class Whole:
    """A request that was split: if all its pieces are answered, its size or its mixture was the problem."""

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
    Fill requests in order.

    :param max_count: parts in a request; reduced if the server accepts fewer.
    :param max_megapixels: of a request; reduced if a megapixel takes long compared with the server's timeout.
    :param by_size: only parts of one size are sent together.
    """

    max_count: int
    max_bytes: int
    max_megapixels: float
    by_size: bool = False
    _buckets: dict[_Key, _Bucket] = field(default_factory=dict)  # the one begun first is first

    @classmethod
    def for_options(cls, options: BatchOptions) -> Packer:
        """Return a packer with the limits of the options."""
        return cls(options.max_request_pictures, options.max_request_bytes, options.max_request_megapixels)

    @property
    def has_parts(self) -> bool:
        """Return True if a request is partly filled."""
        return bool(self._buckets)

    def add(self, parts: Sequence[Part]) -> list[Request]:
        """Add parts; return the requests that are full."""
        full: list[Request] = []
        for part in parts:
            key = (part.size if self.by_size else None, part.picture.shared_pictures)
            bucket = self._buckets.get(key)
            if bucket is not None and not self._has_room(bucket, part):
                full.append(self._take(key))
                bucket = None
            if bucket is None:
                bucket = self._buckets[key] = _Bucket(size_bytes=part.picture.shared_bytes)
            bucket.add(part)
            if len(bucket.parts) >= self.max_count:
                full.append(self._take(key))
        while len(self._buckets) > _MOST_BUCKETS:
            full.append(self._take(next(iter(self._buckets))))
        return full

    def flush(self, pieces: int = 1) -> list[Request]:
        """
        Return the partly filled requests.

        :param pieces: requests that the servers can start at once; fewer requests are cut, so that no server is idle.
        """
        left = [self._take(key) for key in list(self._buckets)]
        shares = pieces // len(left) if left else 1
        return [piece for request in left for piece in request.cut_evenly(shares)]

    def fits(self, request: Request) -> bool:
        """Return True if a request that was packed before is still within the limits."""
        return len(request.parts) <= self.max_count and (not self.by_size or request.of_one_size)

    def repack(self, request: Request) -> list[Request]:
        """Cut a request that is beyond the limits now."""
        pieces = request.split_by_size() if self.by_size else [request]
        return [smaller for piece in pieces for smaller in piece.cut(self.max_count)]

    def _take(self, key: _Key) -> Request:
        return Request(self._buckets.pop(key).parts)

    def _has_room(self, bucket: _Bucket, part: Part) -> bool:
        return (
            bucket.size_bytes + len(part.data) <= self.max_bytes
            and bucket.megapixels + part.megapixels <= self.max_megapixels
        )
