"""Files of the input that a run ignores and counts as such."""

from __future__ import annotations

from tendies_ops.inference.ledger.outcomes import Found
from tendies_ops.inference.listing.other_files import has_other_extension, is_unfinished
from tendies_ops.inference.picture.header import identify
from tendies_ops.inference.storage.local import Input


def is_ignored(found: Found, source: Input) -> bool:
    """
    Return True if neither name nor content of a file is that of a picture, or if it is unfinished.

    :raises OSError: it cannot be read.
    """
    if found.problem or not has_other_extension(found.path):
        return False
    return is_unfinished(found.path) or identify(source.read_start(found.path)) is None
