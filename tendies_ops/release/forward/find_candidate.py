"""From a SavedModel directory to a version that the servers can see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tendies_ops.errors import (
    LockHeldError,
    NotProvedError,
    ProofFailedError,
    ProofInterruptedError,
    PublishError,
    TendiesError,
)
from tendies_ops.publish.changed import describe_change, first_record
from tendies_ops.publish.history import read_history
from tendies_ops.publish.layout import discard
from tendies_ops.publish.publish_version import (
    PublishedVersion,
    find_same_content,
    make_visible,
    prepare_version,
    unused_version,
)
from tendies_ops.publish.version_dirs import list_version_dirs
from tendies_ops.release.checks.leased import wait_for_leases
from tendies_ops.release.checks.patience import prove_patiently
from tendies_ops.release.record.journal import made_visible
from tendies_ops.release.replicas.golden_images import GoldenImage
from tendies_ops.release.transaction import Transaction
from tendies_ops.spec.manifest import Manifest, read_manifest


@dataclass(frozen=True)
class Candidate:
    """The version on its way into service."""

    published: PublishedVersion
    manifest: Manifest
    previous: int | None
    released_before: bool  #: an earlier release proved it, so the history knows it
    made_visible: bool  #: by this release, or by the killed one that it continues
    withdrawable: bool  #: taking it back takes nothing away that served before this release


def find_candidate(tx: Transaction, manifest: Manifest, previous: int | None) -> Candidate | None:
    """
    The highest version, if it has this content already: then nothing is copied and the release goes on from there.

    A lower version with the content is of no use: Model Server serves the highest, so the content gets a new number.
    Neither is one whose directory was changed: the servers have in memory what it held when they loaded it.
    """
    _note_changed_versions(tx, manifest)
    same = find_same_content(tx.base, manifest)
    plain = [child.version for child in list_version_dirs(tx.base) if child.is_plain]
    if same is None or same.version != max(plain, default=0):
        return None
    if previous == same.version:
        previous = max((version for version in plain if version < same.version), default=None)
    events = {r.event for r in read_history(tx.base) if r.version == same.version}
    released_before = bool({"released", "rolled_back"} & events)
    killed = tx.journal if tx.journal is not None and tx.journal.version == same.version else None
    mine = killed is not None and made_visible(tx.base, killed)
    before = killed.before if killed is not None and killed.before is not None else tx.before
    harmless = mine or (before is not None and before.may_be_withdrawn(same.version))
    tx.say(f"Version {same.version} has this content already; nothing is copied")
    return Candidate(same, manifest, previous, released_before, mine, withdrawable=harmless and not released_before)


def _note_changed_versions(tx: Transaction, manifest: Manifest) -> None:
    """Name those that serve, or seem to have this content, and whose directory is not what was published."""
    history = read_history(tx.base)
    served = tx.before.served if tx.before is not None else ()
    for child in list_version_dirs(tx.base):
        if not child.is_plain or not (child.version in served or _has_digest(child.path, manifest.model_digest)):
            continue
        if change := describe_change(child.path, child.version, history, read_files=True):
            tx.note(
                f"Version {child.version} was changed on the disk after it was published: {change}. A server that has "
                "loaded it serves what it held then; at its next start it would load what is there now."
            )


def _has_digest(version_dir: Path, model_digest: str) -> bool:
    try:
        return read_manifest(version_dir).model_digest == model_digest
    except PublishError:
        return False


def serves_something_else(tx: Transaction, found: Candidate, golden: tuple[GoldenImage, ...]) -> bool:
    """
    Return True if a version that nobody has written down answers other pictures than its directory promises.

    Then it was changed under the servers, and what they have in memory is not this content. Nothing was changed yet.
    """
    version = found.published.version
    if found.withdrawable or tx.before is None or version not in tx.before.served:
        return False
    if first_record(read_history(tx.base), version) is not None:
        return False
    servers = [server for server, versions in tx.before.available.items() if version in versions]
    try:
        prove_patiently(tx, version, golden, servers=servers)
    except (NotProvedError, ProofInterruptedError):
        return False
    except ProofFailedError as error:
        tx.note(
            f"Version {version} does not answer what its directory promises, so that was changed after a server had "
            f"loaded it: {error}. The content gets a new number."
        )
        return True
    return False


def publish_candidate(
    tx: Transaction,
    saved_model_dir: Path,
    manifest: Manifest,
    previous: int | None,
    check_loads: Callable[[Path], None] | None,
) -> Candidate:
    """Stage, load once, open the journal, rename. Batch runs are waited for."""
    staging = prepare_version(saved_model_dir, tx.base, manifest, check_loads=check_loads, cancelled=tx.cancelled)
    try:
        if tx.swap.label is None:  # copying and trying took a while, in which runs may have begun
            wait_for_leases(
                tx.base,
                new_digest=manifest.model_digest,
                timeout_s=tx.options.lease_wait_s,
                note=tx.note,
                cancelled=tx.cancelled,
            )
        version = unused_version(tx.base, burnt=_seen_by_servers(tx))
        tx.begin("staged", manifest=manifest, version=version, previous_version=previous, made_visible=True)
        tx.stop_if_cancelled()
        tx.swap.prepare(tx, previous)
        published = make_visible(staging, tx.base, version=version, manifest=manifest, lock=tx.lock, who=tx.who)
    except LockHeldError:
        raise  # whoever has the lock now clears it away
    except BaseException:
        if staging.exists():
            _forget(tx, staging)
        raise
    tx.say(f"Published version {version} in {tx.base}")
    return Candidate(published, manifest, previous, released_before=False, made_visible=True, withdrawable=True)


def _forget(tx: Transaction, staging: Path) -> None:
    """Restore the labels, for nothing became visible. Where that fails, the journal stays and the next run does it."""
    discard(staging)
    try:
        tx.swap.restore(tx)
    except TendiesError as error:
        tx.note(f"The model config file was not restored: {error}")
    else:
        tx.close()


def _seen_by_servers(tx: Transaction) -> list[int]:
    """A server never loads a number again that it could not load, whatever lies under it then."""
    return [version for answer in tx.fleet.statuses().values() if isinstance(answer, dict) for version in answer]
