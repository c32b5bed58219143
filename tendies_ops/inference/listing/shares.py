"""
Decide which pictures belong to which shard of a batch.

The hash of its path decides, so no lists are needed, and a shard that is rerun, anywhere, has the same pictures. If
there are more shards than run at a time, each is smaller than the one before (trapezoid self-scheduling, Tzeng and Ni
1993): a worker that is done early gets another, and the end waits for a small shard only.
"""

from __future__ import annotations

import functools
import zlib

_HASHES = 1 << 32


def belongs_to_shard(path: str, index: int, count: int, slots: int | None = None) -> bool:
    """
    Return True if a picture belongs to shard ``index`` of ``count``.

    :param slots: shards that run at a time; absent: all.
    """
    bounds = _bounds(count, slots or count)
    return bounds[index] <= zlib.crc32(path.encode("utf-8", "surrogateescape")) < bounds[index + 1]


def shard_shares(count: int, slots: int) -> list[float]:
    """Return each shard's share of all pictures, in the order in which they start; their sum is 1."""
    weights = [1] * count if count <= slots else range(count, 0, -1)
    return [weight / sum(weights) for weight in weights]


@functools.cache
def _bounds(count: int, slots: int) -> list[int]:
    """Return the first hash value of each shard, and the end."""
    begins, so_far = [], 0.0
    for share in shard_shares(count, slots):
        begins.append(round(so_far * _HASHES))
        so_far += share
    return [*begins, _HASHES]
