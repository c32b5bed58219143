"""Carrying out a rollback that the journal describes: also when it was killed halfway."""

from __future__ import annotations

import os
from pathlib import Path

from tendies_ops.errors import LoadFailedError, ProofFailedError, ReleaseError, StoppedError, TendiesError
from tendies_ops.files import sync_directory
from tendies_ops.publish.history import append_history
from tendies_ops.publish.version_dirs import parse_version
from tendies_ops.release.back.undo import confirm_serving
from tendies_ops.release.checks.patience import prove_patiently
from tendies_ops.release.record.history_record import record_of_journal, record_of_version
from tendies_ops.release.record.journal import Journal
from tendies_ops.release.replicas.fleet import describe_outcomes
from tendies_ops.release.replicas.golden_images import read_golden
from tendies_ops.release.replicas.prove import Proof
from tendies_ops.release.replicas.wait import WaitOutcome
from tendies_ops.release.transaction import Transaction
from tendies_ops.spec.manifest import read_manifest


def carry_out_rollback(tx: Transaction) -> tuple[dict[str, WaitOutcome], list[Proof]]:
    """
    Move the versions above away, wait, prove, write it down. Put them back if the older version does not serve.

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
        words = put_back(tx)
        if not isinstance(error, TendiesError):
            raise
        raise _same_class(error)(
            f"The rollback of {journal.model_name} to version {journal.version} did not go through: "
            f"{str(error).rstrip('.')}. {words}"
        ) from error
    _write_history(tx, journal)
    tx.close()
    return outcomes, proofs


def put_back(tx: Transaction) -> str:
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
    return f"Everything was put back. {confirm_serving(tx, journal.previous_version).words}"


def _wait_and_prove(tx: Transaction, journal: Journal) -> tuple[dict[str, WaitOutcome], list[Proof]]:
    outcomes = tx.fleet.wait_until_serving(
        journal.version,
        timeout_s=tx.options.restore_timeout_s,
        unreachable_grace_s=tx.options.unreachable_grace_s,
        answered_before=tx.answered,
        cancelled=tx.cancelled,
        highest=tx.swap.label is None,
    )
    tx.stop_if_cancelled()
    if any(outcome.kind != "serving" for outcome in outcomes.values()):
        raise LoadFailedError(describe_outcomes(outcomes))
    version_dir = tx.base / str(journal.version)
    golden = read_golden(version_dir, read_manifest(version_dir))
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


def _same_class(error: TendiesError) -> type[TendiesError]:
    kinds: tuple[type[TendiesError], ...] = (LoadFailedError, ProofFailedError, StoppedError)
    return next((kind for kind in kinds if isinstance(error, kind)), ReleaseError)
