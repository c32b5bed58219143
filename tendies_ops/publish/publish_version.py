"""Publish a SavedModel as the next version directory, by one rename or not at all."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tendies_ops.errors import BasePathError, PublishError, VersionExistsError
from tendies_ops.files import sync_directory
from tendies_ops.publish.changed import describe_change
from tendies_ops.publish.history import HistoryRecord, append_history, read_history, versions_ever, who_am_i
from tendies_ops.publish.layout import discard, ensure_base_path, list_withdrawn, remove_leftovers
from tendies_ops.publish.lock import BasePathLock, lock_base_path
from tendies_ops.publish.stage import stage_version
from tendies_ops.publish.version_dirs import list_version_dirs, next_version
from tendies_ops.spec.manifest import Manifest, read_manifest, verify_files


@dataclass(frozen=True)
class PublishedVersion:
    """A version and its directory."""

    version: int
    path: Path
    model_digest: str
    created: bool  #: False: this version had the same content already


def publish_version(
    saved_model_dir: Path,
    model_base_path: Path,
    *,
    check_loads: Callable[[Path], None] | None = None,
    lock_timeout_s: float = 600.0,
    cancelled: threading.Event | None = None,
) -> PublishedVersion:
    """
    Publish ``saved_model_dir`` as the next version of ``model_base_path``.

    The same content again is not a new version. A number is never used twice, not even one that was withdrawn.

    :param check_loads: loads a SavedModel once, in a process of its own, and raises if it does not load.
    :param lock_timeout_s: seconds to wait for another publisher.
    :raises PublishError: it does not match its manifest, does not fit on the disk, or cannot be written.
    :raises LockHeldError: another publisher held the lock until then.
    """
    manifest = read_manifest(saved_model_dir)
    base = ensure_base_path(model_base_path)
    purpose = f"publish of {manifest.model_name}"
    with (
        _disk_errors_in_words(base),
        lock_base_path(base, purpose=purpose, timeout_s=lock_timeout_s, cancelled=cancelled) as lock,
    ):
        remove_leftovers(base)
        if same := find_same_content(base, manifest):
            return same
        staging = prepare_version(saved_model_dir, base, manifest, check_loads=check_loads, cancelled=cancelled)
        return make_visible(staging, base, version=unused_version(base), manifest=manifest, lock=lock)


@contextlib.contextmanager
def _disk_errors_in_words(model_base_path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise PublishError(
            f"{model_base_path} cannot be written: {error.strerror} ({error.filename or 'while it was synced'}). Fix "
            "that and rerun: if the version was published already, it is found."
        ) from error


def find_same_content(model_base_path: Path, manifest: Manifest) -> PublishedVersion | None:
    """
    Return the newest whole version that has had the content of ``manifest`` since it was published.

    A version that was given this content later does not count: servers may have loaded the earlier one.
    """
    history = read_history(model_base_path)
    for child in reversed(list_version_dirs(model_base_path)):
        if is_whole(child.path, model_digest=manifest.model_digest) and not describe_change(
            child.path, child.version, history
        ):
            return PublishedVersion(child.version, child.path, manifest.model_digest, created=False)
    return None


def is_whole(version_dir: Path, *, model_digest: str | None = None) -> bool:
    """
    Return True if a version matches its manifest byte for byte.

    :param model_digest: of the content that it must have; absent: any.
    """
    try:
        manifest = read_manifest(version_dir)
        if model_digest not in {None, manifest.model_digest}:
            return False
        verify_files(version_dir, manifest)
    except (PublishError, OSError):
        return False  # not made by tendies, damaged, or being removed
    return True


def unused_version(model_base_path: Path, *, burnt: Iterable[int] = ()) -> int:
    """
    Return the next number, above those in the base path, of withdrawn versions and of the history.

    :param burnt: further numbers that a server has seen.
    """
    there = (child.version for child in list_version_dirs(model_base_path))
    return next_version([*there, *list_withdrawn(model_base_path), *versions_ever(model_base_path), *burnt])


def prepare_version(
    saved_model_dir: Path,
    model_base_path: Path,
    manifest: Manifest,
    *,
    check_loads: Callable[[Path], None] | None,
    cancelled: threading.Event | None = None,
) -> Path:
    """
    Stage a version and check it. The caller holds the lock.

    :return: the staging directory.
    """
    staging = stage_version(saved_model_dir, model_base_path, manifest, cancelled=cancelled)
    try:
        if check_loads is not None:
            check_loads(staging)
    except BaseException:
        discard(staging)
        raise
    return staging


def make_visible(  # noqa: PLR0913  # keyword-only facts of the history
    staging: Path,
    model_base_path: Path,
    *,
    version: int,
    manifest: Manifest,
    lock: BasePathLock,
    who: str = "",
    note: str = "",
) -> PublishedVersion:
    """
    Make a version visible by one rename. The caller holds the lock.

    :param who: who asked for it, for the history; empty: user and host of this process.
    :param note: why, for the history.
    :raises VersionExistsError: a program that ignores the lock made that number in the meantime.
    :raises LockHeldError: this process was paused and another one took over.
    """
    path = model_base_path / str(version)
    try:
        lock.check()
        if path.exists() or path.is_symlink():
            raise VersionExistsError(f"{path} appeared while its content was being copied. Rerun.")
        staging.rename(path)
    except OSError as error:
        raise BasePathError(f"{staging} could not be renamed to {path}: {error.strerror}. Rerun.") from error
    sync_directory(model_base_path)
    record = HistoryRecord(
        "published",
        version,
        note,
        model_name=manifest.model_name,
        model_digest=manifest.model_digest,
        checkpoint=manifest.source.checkpoint,
        checkpoint_step=manifest.source.step,
        who=who or who_am_i(),
    )
    append_history(model_base_path, record)
    return PublishedVersion(version, path, manifest.model_digest, created=True)
