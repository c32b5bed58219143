"""Taking a version back: one rename to a name that Model Server ignores and that says why."""

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
    Rename ``<version>`` to ``<version>.withdrawn-<slug>`` and write it into the history.

    Renamed and not removed: ``rm -r`` in place lets the server see half a version, and the content is evidence.

    :param who: whose release it was; empty: this process's own.
    :return: where it lies now; None: it was not there any more (a withdrawal that was killed goes on).
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
    Versions under ``version`` that have every byte that their manifests promise, highest first.

    Each is read when it is asked for: reading all of them takes minutes, in which a bad version would serve.
    """
    children = [c for c in list_version_dirs(model_base_path) if c.version < version and c.is_plain]
    return (c.version for c in reversed(children) if is_whole(c.path))
