"""Remove old versions, but never one that serves, that a run uses, or that is among the last good ones."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from tendies_ops.publish.history import HistoryRecord, append_history, read_history
from tendies_ops.publish.layout import TRASH_PREFIX, discard, list_withdrawn
from tendies_ops.publish.leases import live_leases
from tendies_ops.publish.version_dirs import list_version_dirs


def versions_to_remove(
    present: Collection[int], *, keep: int, serving: Collection[int], leased: Collection[int], good: Collection[int]
) -> list[int]:
    """
    Return the versions to remove, lowest first.

    :param present: versions in the base path.
    :param keep: number of the highest versions that stay; at least 1.
    :param serving: versions that any replica has loaded.
    :param leased: versions that batch runs use.
    :param good: versions that were released and never withdrawn; the two highest of them stay, which are the one that
        serves and the one to roll back to.
    """
    newest = sorted(present)[-max(1, keep) :]
    last_good = sorted(set(good) & set(present))[-2:]
    protected = {*newest, *last_good, *serving, *leased}
    return [version for version in sorted(present) if version not in protected]


def apply_retention(model_base_path: Path, *, keep: int, serving: Collection[int]) -> list[int]:
    """
    Remove the versions of :func:`versions_to_remove`, and all withdrawn versions but the newest ``keep``.

    The caller holds the lock.

    :param serving: the versions that the replicas have loaded, complete: do not call this if one did not answer.
    :return: the versions that were removed.
    :raises OSError: one cannot be removed; it is no longer a version all the same.
    """
    children = {c.version: c.path for c in list_version_dirs(model_base_path) if c.is_plain}
    leased = {lease.version for lease in live_leases(model_base_path)}
    events = read_history(model_base_path)
    good = {r.version for r in events if r.event in {"released", "rolled_back"}}
    doomed = versions_to_remove(children, keep=keep, serving=serving, leased=leased, good=good)
    removed = []
    for version in doomed:
        trash = _take_away_unless_leased(model_base_path, version, children[version])
        if trash is not None:
            append_history(model_base_path, HistoryRecord("removed", version, f"older than the newest {keep}"))
            discard(trash)
            removed.append(version)
    withdrawn = list_withdrawn(model_base_path)
    for version in sorted(withdrawn)[: max(0, len(withdrawn) - keep)]:
        discard(withdrawn[version])
    return removed


def _take_away_unless_leased(model_base_path: Path, version: int, path: Path) -> Path | None:
    """Rename a version, which counts as removed for servers; None: a run uses it."""
    trash = path.with_name(f"{TRASH_PREFIX}retention-{version}")
    path.rename(trash)
    if any(lease.version == version for lease in live_leases(model_base_path)):
        trash.rename(path)  # a run took its lease just before the rename
        return None
    return trash
