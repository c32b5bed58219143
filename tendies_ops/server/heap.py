"""
Freed memory: kept for the next request, returned to the system after an unload.

glibc returns large blocks to the system as soon as they are free, and lets every thread have a heap of its own. Getting
the pages back one by one takes three times as long as the rest of a request of 400 kB.
Source: mallopt(3), malloc_trim(3).
"""

from __future__ import annotations

import ctypes
import os
from typing import Final

_libc: Final = ctypes.CDLL(None)
_MMAP_THRESHOLD_BYTES: Final = 32 << 20  # glibc's own upper limit for this threshold
# mallopt's number of a setting, its value, and the environment variable that takes precedence
_SETTINGS: Final = (
    (-3, _MMAP_THRESHOLD_BYTES, "MALLOC_MMAP_THRESHOLD_"),
    (-1, 2 * _MMAP_THRESHOLD_BYTES, "MALLOC_TRIM_THRESHOLD_"),
    (-8, max(2, os.cpu_count() or 1), "MALLOC_ARENA_MAX"),  # the largest number of heaps
)


def keep_freed_memory() -> None:
    """Keep freed memory for later requests. Without glibc, do nothing."""
    for number, value, variable in _SETTINGS:
        if variable not in os.environ and hasattr(_libc, "mallopt"):
            _libc.mallopt(number, value)


def give_freed_memory_back() -> None:
    """Return all freed memory to the system. Without glibc, do nothing."""
    if hasattr(_libc, "malloc_trim"):
        _libc.malloc_trim(0)
