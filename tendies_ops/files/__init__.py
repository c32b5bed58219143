"""Files that are whole or absent: atomic writes, syncs, digests."""

from __future__ import annotations

from tendies_ops.files.atomic import sync_directory, sync_tree, write_bytes_atomically, write_text_atomically
from tendies_ops.files.digests import FileDigest, digest_bytes, digest_file, digest_of_digests, digest_tree

__all__ = [
    "FileDigest",
    "digest_bytes",
    "digest_file",
    "digest_of_digests",
    "digest_tree",
    "sync_directory",
    "sync_tree",
    "write_bytes_atomically",
    "write_text_atomically",
]
