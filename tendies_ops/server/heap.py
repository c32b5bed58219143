"""
How this process treats memory that requests free: kept for the next request, given back after an unload.

A request of half a megabyte makes as much to answer it. glibc returns blocks of that size to the system as soon as they
are free, and every page of the next ones then costs a fault: together more than reading, decoding and writing them.
Source: mallopt(3), malloc_trim(3).
"""

from __future__ import annotations

import ctypes
import sys
from typing import Any, Final

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
# Where glibc's own rule for these two ends up once a block of 32 MiB has been freed; larger ones go back at once.
_MMAP_THRESHOLD_BYTES: Final = 32 << 20
_TRIM_THRESHOLD_BYTES: Final = 2 * _MMAP_THRESHOLD_BYTES


def keep_freed_memory() -> None:
    """Let requests use again what requests before them freed. Without glibc nothing is changed."""
    libc = _glibc()
    if libc is not None:
        libc.mallopt(_M_MMAP_THRESHOLD, _MMAP_THRESHOLD_BYTES)
        libc.mallopt(_M_TRIM_THRESHOLD, _TRIM_THRESHOLD_BYTES)


def give_freed_memory_back() -> None:
    """Return to the system whatever is free, as after an unload. Without glibc nothing is changed."""
    libc = _glibc()
    if libc is not None:
        libc.malloc_trim(0)


def _glibc() -> Any:
    """The C library of this process; None where it is another one."""
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    return libc if hasattr(libc, "mallopt") and hasattr(libc, "malloc_trim") else None
