"""``tendies rollback``."""

from __future__ import annotations


def rollback_command() -> None:
    """Not here yet."""
    raise NotImplementedError
