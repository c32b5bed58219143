"""After ``kill -9``: find out from the journal what a release was doing, and finish it or undo it."""

from __future__ import annotations

from tendies_ops.errors import ModelServerError, ProofFailedError, PublishError, ReleaseError
from tendies_ops.publish.history import Event, HistoryRecord, append_history, read_history
from tendies_ops.publish.versions import list_version_dirs
from tendies_ops.release.journal import Journal, read_journal
from tendies_ops.release.move_back import carry_out_rollback, put_back
from tendies_ops.release.patience import prove_patiently
from tendies_ops.release.prove import read_golden
from tendies_ops.release.swap import make_swap
from tendies_ops.release.transaction import Transaction
from tendies_ops.release.undo import undo_release
from tendies_ops.release.unload import bring_back
from tendies_ops.spec.manifest import read_manifest

_KILLED = "the release was killed before the version had proved itself"


def recover(tx: Transaction, *, wanted_digest: str | None = None) -> bool:
    """
    Bring the base path back to a state that some release meant. The caller holds the lock.

    A version that is there and unproved is proved once it serves everywhere, and withdrawn if it does not, unless it
    has the content that the caller is about to release: then its release simply goes on.

    :param wanted_digest: the model digest that the caller wants to see in service.
    :return: whether a version was taken back just now.
    :raises ReleaseError: the journal cannot be read.
    """
    journal = read_journal(tx.base)
    if journal is None:
        return False
    tx.note(f"An earlier run was killed ({journal.phase}, version {journal.version}); putting that in order first.")
    tx.journal = journal
    asked, tx.swap = tx.swap, make_swap(journal.model_config_file, journal.model_name)
    if journal.phase in {"rolling_back", "undoing_rollback"}:
        took_back = _settle_rollback(tx, journal)
    elif _goes_on(tx, journal, wanted_digest):
        tx.note(f"Version {journal.version} has the content that is to be released; its release goes on.")
        tx.swap = asked
        return False  # the journal stays until the release begins its own: it may be killed before that
    else:
        took_back = _settle_release(tx, journal)
    tx.journal, tx.swap = None, asked
    tx.close()
    return took_back


def _settle_rollback(tx: Transaction, journal: Journal) -> bool:
    if journal.phase == "undoing_rollback":
        tx.note(put_back(tx))
        return False
    try:
        carry_out_rollback(tx)
    except ReleaseError as error:
        tx.note(str(error))
        return False
    tx.note(f"The rollback to version {journal.version} is finished.")
    return True


def _goes_on(tx: Transaction, journal: Journal, wanted_digest: str | None) -> bool:
    """Whether the version is there, unproved, and what the caller is about to release."""
    wanted = journal.model_digest == wanted_digest and journal.phase != "withdrawing"
    if not wanted or not _is_there(tx, journal) or _was_released(tx, journal):
        return False
    bring_back(tx)
    return True


def _is_there(tx: Transaction, journal: Journal) -> bool:
    return any(child.version == journal.version for child in list_version_dirs(tx.base))


def _was_released(tx: Transaction, journal: Journal) -> bool:
    events = {record.event for record in read_history(tx.base) if record.version == journal.version}
    return bool(events & {"released", "rolled_back"})


def _settle_release(tx: Transaction, journal: Journal) -> bool:
    bring_back(tx)
    there = _is_there(tx, journal)
    if journal.phase == "withdrawing":
        _finish_withdrawal(tx, journal, there=there)
        return True
    if not there:
        tx.note(f"Version {journal.version} had not become visible; nothing of it is left.")
    elif _was_released(tx, journal):
        tx.note(f"Version {journal.version} had been released before; it is left as it is.")
    elif journal.phase == "proved" or _proves_itself(tx, journal):
        tx.swap.promote(tx, journal.version, journal.previous_version)
        _record(tx, journal, "released", "finished after its release was killed")
        tx.note(f"Version {journal.version} serves everywhere and proved itself; its release is finished.")
    else:
        undone = undo_release(tx, journal.version, journal.previous_version, slug="killed", reason=_KILLED)
        tx.note(undone.words)
        return undone.withdrawn
    return False


def _finish_withdrawal(tx: Transaction, journal: Journal, *, there: bool) -> None:
    if there:
        undone = undo_release(
            tx, journal.version, journal.previous_version, slug="killed", reason=journal.reason or _KILLED
        )
        tx.note(undone.words)
        return
    if not any(r.event == "withdrawn" and r.version == journal.version for r in read_history(tx.base)):
        _record(tx, journal, "withdrawn", journal.reason)
    tx.note(f"Version {journal.version} had been withdrawn: {journal.reason}")


def _proves_itself(tx: Transaction, journal: Journal) -> bool:
    """
    Let the servers finish loading it first: where its directory is taken away between the graph and the variables, they
    serve it without variables until their next poll, and every request fails (``RunRestore`` in ``loader.cc``).
    """
    if any(isinstance(answer, ModelServerError) for answer in tx.fleet.statuses().values()):
        return False
    outcomes = tx.fleet.wait_until_serving(
        journal.version,
        timeout_s=tx.options.available_timeout_s,
        unreachable_grace_s=tx.options.unreachable_grace_s,
        answered_before=tx.fleet.servers,
        cancelled=tx.cancelled,
        settle_on_failure=False,
        highest=False,
    )
    tx.stop_if_cancelled()
    if any(outcome.kind != "serving" for outcome in outcomes.values()):
        return False
    version_dir = tx.base / str(journal.version)
    try:
        golden = read_golden(version_dir, read_manifest(version_dir))
        prove_patiently(tx, journal.version, golden)
    except (PublishError, ModelServerError, ProofFailedError):
        return False
    return True


def _record(tx: Transaction, journal: Journal, event: Event, reason: str) -> None:
    record = HistoryRecord(
        event,
        journal.version,
        reason,
        journal.model_name,
        journal.model_digest,
        servers=journal.servers,
        model_config_file=journal.model_config_file,
    )
    append_history(tx.base, record)
