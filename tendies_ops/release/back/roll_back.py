"""Carry out a rollback that the journal describes: also when it was killed halfway."""

from __future__ import annotations

import os
from pathlib import Path

from tendies_ops.errors import TendiesError
from tendies_ops.files import sync_directory
from tendies_ops.publish.history import append_history
from tendies_ops.publish.version_dirs import parse_version
from tendies_ops.release.back.withdraw_candidate import confirm_serving
from tendies_ops.release.checks.patience import class_of_failure, golden_of, prove_patiently, wait_until_available
from tendies_ops.release.record.history_record import record_of_journal, record_of_version
from tendies_ops.release.record.journal import Journal
from tendies_ops.release.replicas.prove import Proof
from tendies_ops.release.replicas.wait import WaitOutcome
from tendies_ops.release.transaction import Transaction


def carry_out_rollback(tx: Transaction) -> tuple[dict[str, WaitOutcome], list[Proof]]:
    """
    Move the versions above away, wait, prove, write it down. Restore them if the older version does not serve.

    :raises ReleaseError: it does not serve; everything is as it was.
    """
    journal = tx.opened()
    by_label = tx.swap.label is not None
    try:
        if by_label:
            tx.swap.load(tx, journal.version, journal.previous_version)
        else:
            rename_all(tx.base, journal.moved)
        outcomes, proofs = _wait_and_prove(tx, journal)
        tx.lock.check()
        if by_label:
            tx.swap.promote(tx, journal.version, None)
            rename_all(tx.base, journal.moved)
    except BaseException as error:
        words = restore_versions(tx)
        if not isinstance(error, TendiesError):
            raise
        raise class_of_failure(error)(
            f"The rollback of {journal.model_name} to version {journal.version} did not go through: "
            f"{str(error).rstrip('.')}. {words}"
        ) from error
    _write_history(tx, journal)
    tx.close()
    return outcomes, proofs


def restore_versions(tx: Transaction) -> str:
    """
    Undo a rollback: the versions that were moved away get their numbers back, highest first.

    :return: what serves now, in words.
    """
    tx.enter("undoing_rollback")
    journal = tx.opened()
    rename_all(tx.base, [(away, name) for name, away in reversed(journal.moved)])
    if journal.before is not None:
        tx.before = journal.before
        tx.swap.restore(tx)
    elif journal.previous_version is not None:  # begun by an older tendies
        tx.swap.promote(tx, journal.previous_version, journal.version)
    tx.close()
    if journal.previous_version is None or not journal.moved:
        return "Nothing was changed."
    return f"Everything was restored. {confirm_serving(tx, journal.previous_version)}"


def _wait_and_prove(tx: Transaction, journal: Journal) -> tuple[dict[str, WaitOutcome], list[Proof]]:
    timeout_s, highest = tx.options.restore_timeout_s, tx.swap.label is None
    outcomes = wait_until_available(tx, journal.version, timeout_s=timeout_s, highest=highest)
    golden = golden_of(tx, journal.version)
    proofs = prove_patiently(tx, journal.version, golden)
    tx.say(f"Version {journal.version} serves again and {len(golden)} golden images came back as promised")
    return outcomes, proofs


def rename_all(base: Path, pairs: list[tuple[str, str]] | tuple[tuple[str, str], ...]) -> None:
    """Rename each pair's first name to its second, but for those that a killed run has renamed already."""
    for source, target in pairs:
        # A link that leads nowhere is there as well: servers take it for a version.
        if os.path.lexists(base / source) and not os.path.lexists(base / target):
            (base / source).rename(base / target)
    sync_directory(base)


def _write_history(tx: Transaction, journal: Journal) -> None:
    if not journal.moved:
        return  # it served already and was only proved again
    why = journal.reason or f"rolled back to version {journal.version}"
    for name, away in journal.moved:
        version = parse_version(name)
        if version is not None:
            append_history(
                tx.base,
                record_of_version(
                    "withdrawn", version, tx.base / away, reason=why, servers=journal.servers, who=journal.who
                ),
            )
    version_dir = tx.base / str(journal.version)
    append_history(tx.base, record_of_journal(journal, "rolled_back", reason=journal.reason, version_dir=version_dir))
