"""The model base path: whether a release can work in it, and what a release would find there."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

from rich.filesize import decimal

from tendies_ops.doctor.finding import Finding, ok, problem, warning
from tendies_ops.errors import TendiesError
from tendies_ops.publish.unproved import Unproved
from tendies_ops.publish.version_dirs import VersionDir, list_version_dirs
from tendies_ops.spec.manifest import read_manifest, verify_files

_ROOM_FOR_VERSIONS = 2  #: a candidate, and the copy in which it arrives
_LEAST_FREE_BYTES = 1 << 30  #: where there is no version yet to go by


def look_at_base_path(base: Path, *, in_service: int | None, unproved: Unproved | None) -> Iterator[Finding]:
    """
    Check a model base path.

    :param in_service: its files are compared with their digests.
    """
    if not base.is_dir():
        what = "is a file" if base.exists() else "does not exist"
        yield problem(base, f"the model base path {what}", "Make it, or mount it: the directory that servers watch.")
        return
    yield from _can_work_in(base)
    children = list_version_dirs(base)
    yield from _names(base, children)
    yield from _room(base, children)
    if unproved is not None and unproved.killed:
        yield warning(base, str(unproved), "The next `tendies release` or `tendies rollback` settles it.")
    yield from _files_of(base, in_service)


def _can_work_in(base: Path) -> Iterator[Finding]:
    """Try what a release does: make a directory, rename it, remove it."""
    scratch = base / f".tendies-doctor-{uuid.uuid4().hex}"
    renamed = scratch.with_name(f"{scratch.name}-renamed")
    try:
        scratch.mkdir()
        (scratch / "file").write_bytes(b"tendies")
        scratch.rename(renamed)
    except OSError as error:
        yield problem(
            base,
            f"cannot be written to: {error.strerror}",
            f"Let user {os.getuid()} write there; on NFS check root_squash, in Kubernetes fsGroup and readOnly.",
        )
    else:
        yield ok(base, "directories can be made and renamed")
    finally:
        for path in (scratch, renamed):
            shutil.rmtree(path, ignore_errors=True)


def _names(base: Path, children: list[VersionDir]) -> Iterator[Finding]:
    for child in children:
        if not child.is_plain:
            kind = "directory" if child.is_directory else "file"
            yield problem(
                child.path, f"Model Server takes this {kind} for version {child.version}", "Rename or remove it."
            )
        elif not (child.path / "saved_model.pb").is_file():
            yield problem(
                child.path, "holds no saved_model.pb, so no server can load it", "Remove it, or export it again."
            )
    plain = [child for child in children if child.is_plain]
    looks_like = [path.name for path in base.iterdir() if path.name.lower().lstrip("v").isdigit()]
    if not plain and looks_like:
        yield problem(
            base, f"Model Server ignores {', '.join(sorted(looks_like))}", "Version directories are numbers: 1"
        )
    yield ok(base, f"holds {len(plain)} versions")


def _room(base: Path, children: list[VersionDir]) -> Iterator[Finding]:
    largest = max((_size_bytes(child.path) for child in children if child.is_plain), default=0)
    needed = _ROOM_FOR_VERSIONS * largest or _LEAST_FREE_BYTES
    free = shutil.disk_usage(base).free
    if free < needed:
        yield problem(
            base,
            f"{decimal(free)} are free, and a release needs {decimal(needed)}",
            "Make room, or keep fewer versions (`release.keep_versions`).",
        )
    else:
        yield ok(base, f"{decimal(free)} are free")


def _size_bytes(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


def _files_of(base: Path, version: int | None) -> Iterator[Finding]:
    if version is None or not (base / str(version)).is_dir():
        return
    directory = base / str(version)
    try:
        verify_files(directory, read_manifest(directory))
    except TendiesError as error:
        yield problem(directory, str(error), "Release the checkpoint again: it gets a new number.")
    else:
        yield ok(directory, "every file matches its manifest")
