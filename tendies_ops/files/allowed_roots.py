"""
Folders and URLs that values from outside a spec must stay below.

A value that a user gives when triggering a run is compared after every symbolic link, and the path that is returned is
the one that was compared, so no later reader can understand it differently.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from tendies_ops.errors import UsageError

#: Two spellings of a path on this machine.
_LOCAL_PREFIXES = ("file://", "local://")
#: Servers and libraries decode, cut or split a URL at these: a folder below a root needs none of them.
_AMBIGUOUS = re.compile(r"[%?#\\\x00-\x1f\x7f]|::")


def require_below(place: str, roots: Iterable[str], *, name: str, remedy: str) -> str:
    """
    Return the place to use for ``place``: a path without links, or a URL or one of the ``roots`` as it is.

    :param place: folder, file or fsspec URL.
    :param roots: folders and URLs; ``s3://`` alone stands for every bucket of that scheme.
    :param name: of the parameter, for the message.
    :param remedy: a sentence for the message: how to allow more.
    :raises UsageError: it is not one of the roots and not below one of them.
    """
    given = tuple(roots)
    if place in given:
        return place
    for root in given:
        found = _below(place, root)
        if found is not None:
            return found
    allowed = ", ".join(given) or "none"
    raise UsageError(f"{name} is {place!r}, which is outside the places allowed for it ({allowed}). {remedy}")


def is_below(place: str, roots: Iterable[str]) -> bool:
    """Return True if ``place`` is one of the ``roots`` or below one, after every symbolic link."""
    given = tuple(roots)
    return place in given or any(_below(place, root) is not None for root in given)


def _below(place: str, root: str) -> str | None:
    local_place, local_root = _local_path(place), _local_path(root)
    if local_place is None and local_root is None:
        return place if _is_url_below(place, root) else None
    if local_place is None or local_root is None or not local_place.is_absolute():
        return None
    try:
        real = local_place.resolve()
        inside = real.is_relative_to(local_root.resolve()) and real.resolve() == real  # not so behind a loop of links
    except (OSError, RuntimeError, ValueError):  # a loop of links, a name that is too long, a NUL
        return None
    return str(real) if inside else None


def _local_path(place: str) -> Path | None:
    """Return the path that a place without a URL's scheme means; None for other URLs."""
    for prefix in _LOCAL_PREFIXES:
        if place.startswith(prefix):
            place = place[len(prefix) :]
            break
    return None if "://" in place else Path(place)


def _is_url_below(url: str, root: str) -> bool:
    start = root if root.endswith("://") else root.rstrip("/") + "/"
    if url.rstrip("/") + "/" == start:
        return True
    rest = url[len(start) :]
    if not url.startswith(start) or _AMBIGUOUS.search(rest):
        return False
    return all(part and part != "." and not part.startswith("..") for part in rest.removesuffix("/").split("/"))
