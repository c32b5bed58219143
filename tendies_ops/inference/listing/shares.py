"""
Which pictures are whose, when a batch is split.

A picture's shard follows from its path, so no lists are handed out, and a shard that runs again,
anywhere, does the same pictures. Of more shards than run at a time, each is smaller than the one before (trapezoid
self-scheduling, Tzeng and Ni 1993): a worker that is done early takes another, and the end waits for a small shard
only, not for the slowest worker's share.
"""

from __future__ import annotations

import functools
import zlib

_HASHES = 1 << 32


def belongs_to_shard(path: str, index: int, count: int, slots: int | None = None) -> bool:
    """
    Return whether a picture is one of shard ``index`` of ``count``.

    :param slots: how many shards run at a time; absent: all.
    """
    bounds = _bounds(count, slots or count)
    return bounds[index] <= zlib.crc32(path.encode("utf-8", "surrogateescape")) < bounds[index + 1]


def shard_shares(count: int, slots: int) -> list[float]:
    """The part of all pictures that each shard has, in the order in which they start; their sum is 1."""
    weights = [1] * count if count <= slots else range(count, 0, -1)
    return [weight / sum(weights) for weight in weights]


@functools.cache
def _bounds(count: int, slots: int) -> list[int]:
    """Return where each shard begins among all hash values, and the end."""
    begins, so_far = [], 0.0
    for share in shard_shares(count, slots):
        begins.append(round(so_far * _HASHES))
        so_far += share
    return [*begins, _HASHES]
