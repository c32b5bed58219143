"""``tendies export``."""

from __future__ import annotations


def export_command() -> None:
    """Not here yet."""
    raise NotImplementedError
