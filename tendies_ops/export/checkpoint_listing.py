"""The files of a checkpoint behind a URL, and the key of their content."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from tendies_ops.errors import CheckpointError, CheckpointMissingError, UsageError
from tendies_ops.files.object_store import ObjectStore
from tendies_ops.spec.source import DIGEST_MARK

_STAMPS = ("ETag", "etag", "md5Hash", "generation", "mtime", "LastModified", "last_modified", "updated", "created")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_OPEN_WEB = ("http://", "https://")


@dataclass(frozen=True)
class RemoteFile:
    """One file of a checkpoint in a store."""

    name: str  #: relative to the checkpoint's folder
    path: str  #: as the store names it
    size_bytes: int
    stamp: tuple[str, ...]


def split_url(url: str) -> tuple[str, str]:
    """
    Return the place of a checkpoint without its digest, and the digest.

    :raises UsageError: the digest is missing or is not one.
    """
    place, _, digest = url.partition(DIGEST_MARK)
    if digest and not _DIGEST.fullmatch(digest):
        raise UsageError(f"The digest of the checkpoint {url} must be 64 hexadecimal digits.")
    if place.startswith(_OPEN_WEB) and not digest:
        raise UsageError(
            f"The checkpoint {url} comes from the open web. Add the digest of the file that you have checked: "
            f"{place}{DIGEST_MARK}<64 digits>."
        )
    return place.rstrip("/"), digest


def find_remote(store: ObjectStore, name: str, place: str) -> list[RemoteFile]:
    """
    Return the one file, all files of the folder, or those that share the prefix.

    :param store: of the checkpoint's parent.
    :raises CheckpointMissingError: there is nothing.
    """
    if place.startswith(_OPEN_WEB):  # which cannot be listed
        return [_remote(store.files.info(place), name)]
    try:
        entries = store.entries_in("")
    except FileNotFoundError:
        entries = {}
    own = entries.get(name)
    if own is not None and own["type"] == "directory":
        root = own["name"].rstrip("/")
        found = store.files.find(root, detail=True).values()
        remotes = [_remote(entry, name + entry["name"].removeprefix(root)) for entry in found]
    else:
        taken = [name] if own is not None else [other for other in entries if other.startswith(f"{name}.")]
        remotes = [_remote(entries[other], other) for other in taken]
    if not remotes:
        raise CheckpointMissingError(f"There is no checkpoint at {place}. Check source.checkpoint or --checkpoint.")
    return remotes


def _remote(entry: dict[str, Any], name: str) -> RemoteFile:
    if any(part in {"", ".", ".."} for part in name.split("/")):
        raise CheckpointError(f"The checkpoint has a file with the name {name!r}, which no folder can hold.")
    stamp = tuple(str(entry[key]) for key in _STAMPS if entry.get(key) is not None)
    return RemoteFile(name, entry["name"], int(entry.get("size") or 0), stamp)


def key_of(place: str, remotes: Sequence[RemoteFile]) -> str:
    """Return a digest that changes with the place and the content."""
    facts = [place, sorted((remote.name, remote.size_bytes, remote.stamp) for remote in remotes)]
    return hashlib.sha256(orjson.dumps(facts)).hexdigest()
