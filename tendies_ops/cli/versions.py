"""``tendies versions``."""

from __future__ import annotations


def versions_command() -> None:
    """Not here yet."""
    raise NotImplementedError
