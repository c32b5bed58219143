"""
Versions whose directory was changed after it was published.

Model Server reads a version once and serves it from memory, whatever the directory holds later; the next start of a
server loads the changed content. A number whose content has changed therefore never counts as "this content already".
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tendies_ops.errors import PublishError
from tendies_ops.publish.history import HistoryRecord
from tendies_ops.spec.manifest import read_manifest, verify_files

_SHOWN_DIGITS = 12


def first_record(history: Iterable[HistoryRecord], version: int) -> HistoryRecord | None:
    """Return the oldest record with the version's digest; None: the history has none."""
    return next((record for record in history if record.version == version and record.model_digest), None)


def describe_change(
    version_dir: Path, version: int, history: Iterable[HistoryRecord], *, read_files: bool = False
) -> str:
    """
    Compare a version directory with what was first published under its number, and with its own manifest.

    :param read_files: digest every file as well, which takes as long as reading the version does.
    :return: the difference; empty: none was found.
    """
    first = first_record(history, version)
    try:
        manifest = read_manifest(version_dir)
        if first is not None and first.model_digest != manifest.model_digest:
            now, then = _short(manifest.model_digest), _short(first.model_digest)
            return f"its manifest has digest {now}, and {then} was published under this number"
        if read_files:
            verify_files(version_dir, manifest)
    except (PublishError, OSError) as error:
        return str(error).rstrip(".") if first is not None or read_files else ""
    return ""


def _short(digest: str) -> str:
    return digest.removeprefix("sha256:")[:_SHOWN_DIGITS]
