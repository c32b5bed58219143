"""``tendies publish``."""

from __future__ import annotations


def publish_command() -> None:
    """Not here yet."""
    raise NotImplementedError
