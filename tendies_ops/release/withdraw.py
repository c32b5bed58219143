"""Withdraw a version: one rename to a name that Model Server ignores and that has the reason."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tendies_ops.files import sync_directory
from tendies_ops.publish.history import append_history
from tendies_ops.publish.layout import withdrawn_path
from tendies_ops.publish.publish_version import is_whole
from tendies_ops.publish.version_dirs import list_version_dirs
from tendies_ops.release.record.history_record import record_of_version


def withdraw_version(
    model_base_path: Path, version: int, *, slug: str, reason: str, servers: tuple[str, ...] = (), who: str = ""
) -> Path | None:
    """
    Rename ``<version>`` to ``<version>.withdrawn-<slug>`` and record it in the history.

    It is not removed: with ``rm -r`` in place the server would see half a version, and the content is evidence.

    :param who: who asked for the release; empty: user and host of this process.
    :return: the new path; None: it was withdrawn before (by a release that was killed then).
    """
    child = next((c for c in list_version_dirs(model_base_path) if c.version == version), None)
    if child is None:
        return None
    target = withdrawn_path(model_base_path, version, slug)
    child.path.rename(target)
    sync_directory(model_base_path)
    record = record_of_version("withdrawn", version, target, reason=reason, servers=tuple(servers), who=who)
    append_history(model_base_path, record)
    return target


def whole_versions_below(model_base_path: Path, version: int) -> Iterator[int]:
    """
    Yield the versions below ``version`` that match their manifests byte for byte, highest first.

    Each is read only when it is needed: reading all of them takes minutes, in which a bad version would serve.
    """
    children = [c for c in list_version_dirs(model_base_path) if c.version < version and c.is_plain]
    return (c.version for c in reversed(children) if is_whole(c.path))
