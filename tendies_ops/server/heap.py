"""
How this process treats memory that requests free: kept for the next request, given back after an unload.

A request of half a megabyte makes as much to answer it, and a network many times that. glibc returns blocks of that
size to the system as soon as they are free, and every page of the next ones then costs a fault: together more than
reading, decoding and writing a request. And it lets every thread have a heap of its own, so that a request finds its
memory in no cache.
Source: mallopt(3), malloc_trim(3).
"""

from __future__ import annotations

import ctypes
import os
import sys
from typing import Any, Final

_MMAP_THRESHOLD_BYTES: Final = 32 << 20  # where glibc's own rule ends up once a block of that size has been freed
# mallopt's number of each setting, the value, and the variable by which whoever starts the process has the last word
_SETTINGS: Final = (
    (-3, _MMAP_THRESHOLD_BYTES, "MALLOC_MMAP_THRESHOLD_"),
    (-1, 2 * _MMAP_THRESHOLD_BYTES, "MALLOC_TRIM_THRESHOLD_"),
    (-8, max(2, os.cpu_count() or 1), "MALLOC_ARENA_MAX"),  # heaps at most
)


def keep_freed_memory() -> None:
    """Let requests use again what requests before them freed. Without glibc nothing is changed."""
    libc = _glibc()
    for number, value, variable in _SETTINGS if libc is not None else ():
        if variable not in os.environ:
            libc.mallopt(number, value)


def give_freed_memory_back() -> None:
    """Return to the system whatever is free, as after an unload. Without glibc nothing is changed."""
    libc = _glibc()
    if libc is not None:
        libc.malloc_trim(0)


def _glibc() -> Any:
    """The C library of this process; None where it is another one."""
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    return libc if hasattr(libc, "mallopt") and hasattr(libc, "malloc_trim") else None
