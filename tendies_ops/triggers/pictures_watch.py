"""Decide which pictures in a folder are whole, and when to announce them. No Airflow, no clock, no sleep."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

#: Key in the asset's state store: what was announced, so that a restarted triggerer announces only what is new.
ANNOUNCED_KEY = "tendies_announced"


class PicturesWatch:
    """
    Decides, listing by listing, whether pictures have arrived.

    A picture is whole when its size and time have not changed for ``quiet_s``. As long as others are still arriving
    the whole ones wait for them, up to ``patience_s``; so a burst of files is one event. All times are those of one
    monotonic clock, in seconds.

    :param announced: what :meth:`to_json` returned before the restart; None on the very first start.
    :param every_s: shortest time between two events.
    """

    def __init__(self, announced: Any, *, quiet_s: float, every_s: float, patience_s: float) -> None:
        self._restored = announced
        self._quiet_s, self._every_s, self._patience_s = quiet_s, every_s, patience_s
        self._known: set[int] = set()
        self._pending: dict[int, float] = {}  # when it was first seen as it is now
        self._not_before_s = float("-inf")

    def on_listing(self, found: Iterable[tuple[str, int, int]], now_s: float) -> int:
        """
        Take note of a listing: path, size in bytes and time of each picture.

        :return: how many pictures to announce now; the caller then calls :meth:`announced`.
        """
        there = {_digest(*one) for one in found}
        if self._restored is not None:
            if self._restored == _summary(there):
                self._known = there
            self._restored = None
        self._known &= there
        self._pending = {one: self._pending.get(one, now_s) for one in there - self._known}
        whole = self._whole(now_s)
        if not whole or now_s < self._not_before_s:
            return 0
        is_quiet = len(whole) == len(self._pending)
        waited_s = now_s - min(self._pending[one] for one in whole) - self._quiet_s
        return len(whole) if is_quiet or waited_s >= self._patience_s else 0

    def announced(self, now_s: float) -> None:
        """Take note that the whole pictures of the last listing have been announced."""
        whole = self._whole(now_s)
        self._known |= whole
        self._pending = {one: since for one, since in self._pending.items() if one not in whole}
        self._not_before_s = now_s + self._every_s

    def to_json(self) -> dict[str, Any]:
        """Return what has been announced: the number of pictures, and a digest that no order changes."""
        return _summary(self._known)

    def _whole(self, now_s: float) -> set[int]:
        return {one for one, since_s in self._pending.items() if now_s - since_s >= self._quiet_s}


def _digest(path: str, size_bytes: int, modified_ns: int) -> int:
    text = f"{path}\0{size_bytes}\0{modified_ns}".encode(errors="surrogateescape")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")


def _summary(digests: set[int]) -> dict[str, Any]:
    return {"pictures": len(digests), "digest": f"{sum(digests) % 2**64:016x}"}
