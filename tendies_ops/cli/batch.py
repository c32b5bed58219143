"""``tendies batch``."""

from __future__ import annotations


def batch_command() -> None:
    """Not here yet."""
    raise NotImplementedError
