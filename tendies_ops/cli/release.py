"""``tendies release``."""

from __future__ import annotations


def release_command() -> None:
    """Not here yet."""
    raise NotImplementedError
