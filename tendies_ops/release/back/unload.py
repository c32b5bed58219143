"""
Unload first: where old and new version do not fit into memory together, and the spec prefers a gap to a refusal.

The versions that are there get names that Model Server ignores until the release is over. The journal knows, so that a
release that is killed meanwhile leaves nothing that the next one cannot put back.
"""

from __future__ import annotations

import os
import time
from dataclasses import replace

from tendies_ops.errors import ModelServerError, ReleaseError
from tendies_ops.files import sync_directory
from tendies_ops.publish.version_dirs import list_version_dirs
from tendies_ops.release.record.journal import Journal, write_journal
from tendies_ops.release.transaction import Transaction

_POLL_S = 0.2


def unload_previous(tx: Transaction) -> None:
    """
    Move every version aside, lowest first, and wait until the replicas have let go of the one that serves.

    :raises ReleaseError: a replica still has one after ``restore_timeout_s``.
    :raises StoppedError: it was asked to stop.
    """
    if tx.journal is None:
        return
    names = [child.path.name for child in list_version_dirs(tx.base)]
    version = tx.journal.version
    tx.journal = replace(tx.journal, moved=tuple((name, f"{name}.unloaded-for-{version}") for name in names))
    write_journal(tx.base, tx.journal)
    for name, aside in tx.journal.moved:
        (tx.base / name).rename(tx.base / aside)
    sync_directory(tx.base)
    deadline_s = time.monotonic() + tx.options.restore_timeout_s
    while holders := _holders(tx):
        tx.stop_if_cancelled()
        if time.monotonic() > deadline_s:
            raise ReleaseError(f"The version that serves was not unloaded by {', '.join(holders)}; it was put back.")
        time.sleep(_POLL_S)
    tx.note(f"Unloaded what served first; nobody is served until version {version} is AVAILABLE.")


def bring_back(tx: Transaction) -> None:
    """Give what was moved aside its number back. Also where a killed release has left it."""
    journal = tx.journal
    if journal is None or journal.phase in {"rolling_back", "undoing_rollback"}:
        return
    tx.lock.check()
    for name, aside in reversed(journal.moved):
        if os.path.lexists(tx.base / aside) and not os.path.lexists(tx.base / name):
            (tx.base / aside).rename(tx.base / name)
    sync_directory(tx.base)
    _forget(tx, journal)


def _forget(tx: Transaction, journal: Journal) -> None:
    if journal.moved:
        tx.journal = replace(journal, moved=())
        write_journal(tx.base, tx.journal)


def _holders(tx: Transaction) -> list[str]:
    return [
        server
        for server, answer in tx.fleet.statuses().items()
        if not isinstance(answer, ModelServerError) and any(status.state != "END" for status in answer.values())
    ]
