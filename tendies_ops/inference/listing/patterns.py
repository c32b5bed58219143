"""Include and exclude patterns."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tendies_ops.inference.listing.other_files import is_litter

# The pieces of a pattern; `**/` also matches no folder at all.
_PIECES = re.compile(r"\*\*/|\*\*|\*|\?|\[!?[^\]]+\]|.", re.DOTALL)


class PathFilter:
    """
    Decide which files are listed.

    :param include: globs; empty includes everything. A pattern without ``/`` is compared with the name, otherwise with
        the path below the input; ``**`` spans folders.
    :param exclude: globs; they take precedence over ``include``.
    :param include_hidden: include names that start with a dot.
    """

    def __init__(
        self, include: Sequence[str] = (), exclude: Sequence[str] = (), *, include_hidden: bool = False
    ) -> None:
        self._include = _compile(include)
        self._exclude = _compile(exclude)
        self._include_hidden = include_hidden

    def hides(self, name: str) -> bool:
        """Return True for hidden names and litter folders, unless they are included; ``.tendies`` never is."""
        return (name.startswith(".") or is_litter(name)) and (not self._include_hidden or name == ".tendies")

    def leaves_out(self, path: str) -> bool:
        """Return True if a file or a whole folder is excluded."""
        return self._exclude is not None and self._exclude.fullmatch(path) is not None

    def takes(self, path: str) -> bool:
        """Return True if a file is included."""
        if self._include is not None and self._include.fullmatch(path) is None:
            return False
        return not self.leaves_out(path)


def _compile(patterns: Sequence[str]) -> re.Pattern[str] | None:
    if not patterns:
        return None
    return re.compile("|".join(f"(?:{_translate(pattern)})" for pattern in patterns), re.DOTALL)


def _translate(pattern: str) -> str:
    anchored = pattern if "/" in pattern else "**/" + pattern
    return "".join(_translate_piece(piece) for piece in _PIECES.findall(anchored.lstrip("/")))


def _translate_piece(piece: str) -> str:
    if piece == "**/":
        return "(?:.*/)?"
    if piece == "**":
        return ".*"
    if piece == "*":
        return "[^/]*"
    if piece == "?":
        return "[^/]"
    if len(piece) > 1:
        return "[^" + piece[2:] if piece[1] == "!" else piece
    return re.escape(piece)
