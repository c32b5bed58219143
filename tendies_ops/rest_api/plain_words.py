"""A server's words as they may be printed, logged and stored."""

from __future__ import annotations


def plain_words(text: str, limit: int) -> str:
    r"""
    Put a text on one line on which nothing acts on a terminal, a log or a page.

    :param limit: characters kept, at most; `` ...`` follows where there were more.
    :return: white space is one blank each; control codes, marks that turn the direction of writing, and everything else
        that is not printed, are written as escapes such as ``\x1b``.
    """
    words = " ".join(text[: 8 * limit].split())
    if not words.isprintable():
        words = "".join(one if one.isprintable() else _escaped(one) for one in words)
    return words if len(words) <= limit else words[:limit] + " ..."


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()
