"""Draw pictures again, in processes of their own, and keep what was drawn."""

from __future__ import annotations

from typing import Any

_OF_THE_CACHE = frozenset({"NotAPictureError", "PictureCache"})


def __getattr__(name: str) -> Any:
    """Import the cache when it is asked for: the child process that draws must stay small."""
    if name not in _OF_THE_CACHE:
        raise AttributeError(name)
    from tendies_ops.web.pictures import picture_cache

    return getattr(picture_cache, name)
