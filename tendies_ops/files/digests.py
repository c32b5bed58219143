"""SHA-256 digests of files and trees, written ``sha256:<64 hex digits>``."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class FileDigest:
    """Size and digest of one file."""

    sha256: str  #: ``sha256:<hex>``
    size_bytes: int


def digest_bytes(data: bytes) -> str:
    """``sha256:<hex>`` of ``data``."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def digest_file(path: Path) -> FileDigest:
    """
    Read ``path`` once, in pieces.

    :raises OSError: it cannot be read.
    """
    hasher = hashlib.sha256()
    size_bytes = 0
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            hasher.update(chunk)
            size_bytes += len(chunk)
    return FileDigest("sha256:" + hasher.hexdigest(), size_bytes)


def digest_tree(root: Path, *, keep: Callable[[str], bool] = lambda _: True) -> dict[str, FileDigest]:
    """
    Digest every file below ``root``.

    :param keep: gets the path relative to ``root`` with ``/`` between its parts.
    :return: relative path -> digest, sorted by path.
    """
    paths = (Path(directory) / name for directory, _, names in os.walk(root) for name in names)
    relative = sorted((path.relative_to(root).as_posix(), path) for path in paths)
    return {name: digest_file(path) for name, path in relative if keep(name)}


def digest_of_digests(digests: Mapping[str, FileDigest]) -> str:
    """One digest for a whole tree: of its sorted ``path NUL digest LF`` lines."""
    lines = (f"{name}\0{digests[name].sha256}\n" for name in sorted(digests))
    return digest_bytes("".join(lines).encode("utf-8", "surrogateescape"))
