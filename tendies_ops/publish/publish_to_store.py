"""
Publishing to a model base path in an object store, such as ``s3://models/brush_strokes``.

There is no rename there, so a version cannot appear at once with all its files. Its number is claimed first, its files
are written and read back, and ``saved_model.pb`` is written last: without it Model Server cannot load a version. A
server that serves the highest number it finds would still try before, fail, and never try that number again. So such a
base path is for servers with a ``--model_config_file`` that names the versions they load: the new one is named there
when it is whole, which is the moment in which it becomes visible.
"""

from __future__ import annotations

import contextlib
import posixpath
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tendies_ops.errors import BasePathError
from tendies_ops.files import digest_bytes
from tendies_ops.files.object_store import ObjectStore
from tendies_ops.publish.version_dirs import next_version, parse_version
from tendies_ops.spec.manifest import MANIFEST_PATH, Manifest, parse_manifest, read_manifest, verify_files

_CLAIMS = ".tendies/claims"
_LAST = "saved_model.pb"


@dataclass(frozen=True)
class StoredVersion:
    """Where the content lies now."""

    version: int
    url: str
    model_digest: str
    created: bool  #: False: this version had the same content already


def publish_to_store(
    saved_model_dir: Path, url: str, *, check_loads: Callable[[Path], None] | None = None
) -> StoredVersion:
    """
    Write ``saved_model_dir`` as the next version below ``url``. The same content again is no new version.

    :param check_loads: loads a SavedModel once, in a process of its own, and raises if it does not load.
    :raises UsageError: the URL's kind is not known here, or its package is not installed.
    :raises PublishError: it is not what its manifest says.
    :raises BasePathError: the store does not take it or give it back unchanged.
    """
    manifest = read_manifest(saved_model_dir)
    verify_files(saved_model_dir, manifest)
    store = ObjectStore(url)
    with _store_errors_in_words(url), contextlib.closing(store):
        if (same := _same_content(store, manifest)) is not None:
            return StoredVersion(same, posixpath.join(store.url, str(same)), manifest.model_digest, created=False)
        if check_loads is not None:
            check_loads(saved_model_dir)
        version = _claim(store)
        for name in [*sorted({*manifest.files, MANIFEST_PATH} - {_LAST}), _LAST]:
            _write_and_compare(store, posixpath.join(str(version), name), (saved_model_dir / name).read_bytes())
    return StoredVersion(version, posixpath.join(store.url, str(version)), manifest.model_digest, created=True)


@contextlib.contextmanager
def _store_errors_in_words(url: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BasePathError(
            f"{url} cannot be read or written: {error}. Run the same again: it takes the next number, and no server "
            "loads what is not whole."
        ) from error


def _versions(store: ObjectStore, folder: str) -> list[int]:
    try:
        names = store.entries_in(folder)
    except FileNotFoundError:
        return []
    return [version for name in names if (version := parse_version(name)) is not None]


def _same_content(store: ObjectStore, manifest: Manifest) -> int | None:
    """The newest whole version that has this content already."""
    for version in sorted(_versions(store, ""), reverse=True):
        try:
            there = parse_manifest(store.read(posixpath.join(str(version), MANIFEST_PATH)))
            store.read_start(posixpath.join(str(version), _LAST), 1)
        except (FileNotFoundError, ValueError):
            continue  # not whole, or not made by tendies
        if there.model_digest == manifest.model_digest:
            return version
    return None


def _claim(store: ObjectStore) -> int:
    """A number for this publisher alone: an object of that name can be created once."""
    version = next_version([*_versions(store, ""), *_versions(store, _CLAIMS)])
    while not _is_mine(store, version):
        version += 1
    return version


def _is_mine(store: ObjectStore, version: int) -> bool:
    try:
        store.create(posixpath.join(_CLAIMS, str(version)), b"")
    except FileExistsError:
        return False
    return True


def _write_and_compare(store: ObjectStore, path: str, data: bytes) -> None:
    store.write(path, data)
    if digest_bytes(store.read(path)) != digest_bytes(data):
        store.remove(path)  # the last one would pass for a whole version
        raise BasePathError(f"{store.url}/{path} does not hold what was written. Run the same again.")
