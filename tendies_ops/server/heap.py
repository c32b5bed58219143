"""
What this process does with memory that requests free: kept for the next request, given back after an unload.

glibc returns large blocks to the system as soon as they are free, and lets every thread have a heap of its own. To get
the pages back one by one takes a request of 400 kB three times as long as all the rest of it.
Source: mallopt(3), malloc_trim(3).
"""

from __future__ import annotations

import ctypes
import os
from typing import Final

_libc: Final = ctypes.CDLL(None)
_MMAP_THRESHOLD_BYTES: Final = 32 << 20  # where glibc's own rule ends up once a block of that size has been freed
# mallopt's number of each setting, the value, and the variable by which whoever starts the process has the last word
_SETTINGS: Final = (
    (-3, _MMAP_THRESHOLD_BYTES, "MALLOC_MMAP_THRESHOLD_"),
    (-1, 2 * _MMAP_THRESHOLD_BYTES, "MALLOC_TRIM_THRESHOLD_"),
    (-8, max(2, os.cpu_count() or 1), "MALLOC_ARENA_MAX"),  # heaps at most
)


def keep_freed_memory() -> None:
    """Let requests use again what requests before them freed. Without glibc nothing is changed."""
    for number, value, variable in _SETTINGS:
        if variable not in os.environ and hasattr(_libc, "mallopt"):
            _libc.mallopt(number, value)


def give_freed_memory_back() -> None:
    """Return to the system whatever is free, as after an unload. Without glibc nothing is changed."""
    if hasattr(_libc, "malloc_trim"):
        _libc.malloc_trim(0)
