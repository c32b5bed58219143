"""Copy a SavedModel into the base path and check the copy before it is renamed."""

from __future__ import annotations

import os
import shutil
import stat
import threading
from pathlib import Path

from tendies_ops.errors import BasePathError, PublishError, StoppedError
from tendies_ops.files import sync_directory
from tendies_ops.publish.layout import new_staging_path
from tendies_ops.spec.manifest import Manifest, verify_files

_SPARE_BYTES = 16 << 20  # for directories, the journal, and not to fill the disk to the last byte


def stage_version(
    saved_model_dir: Path, model_base_path: Path, manifest: Manifest, *, cancelled: threading.Event | None = None
) -> Path:
    """
    Copy, sync to disk, and read back against the manifest.

    Modes follow the base path's: umasks of schedulers are often too strict for the user of Model Server.

    :return: the staging directory, next to the versions, under a name that is not a number.
    :raises PublishError: there is no space, or the copy, which is removed then, does not match the manifest.
    :raises StoppedError: ``cancelled`` was set.
    """
    check_space(saved_model_dir, model_base_path)
    staging = new_staging_path(model_base_path)
    try:
        _copy_tree(saved_model_dir, staging, stat.S_IMODE(model_base_path.stat().st_mode) | 0o700, cancelled)
        sync_directory(model_base_path)
        _verify(staging, saved_model_dir, manifest)
    except OSError as error:
        shutil.rmtree(staging, ignore_errors=True)
        raise BasePathError(
            f"{saved_model_dir} could not be copied into {model_base_path}: {error.strerror} ({error.filename})."
        ) from error
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    return staging


def check_space(saved_model_dir: Path, model_base_path: Path) -> None:
    """
    Check that a copy fits.

    :raises BasePathError: it does not; the message has the sizes.
    """
    size_bytes = tree_size_bytes(saved_model_dir)
    free_bytes = shutil.disk_usage(model_base_path).free
    if free_bytes < size_bytes + _SPARE_BYTES:
        raise BasePathError(
            f"{model_base_path} has {free_bytes / 1e6:.0f} MB free and the version needs {size_bytes / 1e6:.0f} MB. "
            "Make room, or keep fewer old versions (`keep_versions`)."
        )


def tree_size_bytes(root: Path) -> int:
    """Return the bytes of all files below ``root``."""
    return sum((Path(d) / name).stat().st_size for d, _, names in os.walk(root) for name in names)


def _copy_tree(source: Path, target: Path, directory_mode: int, cancelled: threading.Event | None) -> None:
    for directory, _, names in os.walk(source, onerror=_raise):
        into = target / Path(directory).relative_to(source)
        into.mkdir()
        into.chmod(directory_mode)
        for name in sorted(names):
            if cancelled is not None and cancelled.is_set():
                raise StoppedError(f"Stopped while copying {source}; nothing was published.")
            _copy_file(Path(directory) / name, into / name, directory_mode & 0o666)
    for directory, _, _ in os.walk(target, topdown=False):
        sync_directory(Path(directory))


def _copy_file(source: Path, target: Path, mode: int) -> None:
    if not source.is_file():
        raise PublishError(f"{source} is not a regular file; a SavedModel holds files and directories only.")
    shutil.copyfile(source, target)
    target.chmod(mode)
    with target.open("rb") as stream:
        os.fsync(stream.fileno())
        if hasattr(os, "posix_fadvise"):  # so that reading it back reads the disk and not the page cache
            os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _verify(staging: Path, source: Path, manifest: Manifest) -> None:
    try:
        verify_files(staging, manifest)
    except PublishError as error:
        raise PublishError(f"{source} was not published. {str(error).replace(str(staging), str(source))}") from error


def _raise(error: OSError) -> None:
    raise error
