"""After ``kill -9``: find out from the journal what a release was doing, and finish it or undo it."""

from __future__ import annotations

from collections.abc import Sequence

from tendies_ops.errors import LoadFailedError, ModelServerError, ProofFailedError, PublishError, ReleaseError
from tendies_ops.publish.history import append_history, read_history
from tendies_ops.publish.layout import list_withdrawn
from tendies_ops.publish.version_dirs import list_version_dirs
from tendies_ops.release.back.roll_back import carry_out_rollback, rename_all, restore_versions
from tendies_ops.release.back.withdraw_candidate import restore_labels, withdraw_candidate
from tendies_ops.release.checks.patience import golden_of, prove_patiently, wait_until_available
from tendies_ops.release.record.history_record import record_of_journal, record_of_version
from tendies_ops.release.record.journal import Journal, made_visible, read_journal
from tendies_ops.release.release_report import ReleaseReport, ReplicaReport, keep_report, write_report
from tendies_ops.release.replicas.prove import Proof
from tendies_ops.release.swap.swap import make_swap
from tendies_ops.release.transaction import Transaction

_KILLED = "the release was killed before the version had proved itself"


def recover(tx: Transaction, *, wanted_digest: str | None = None) -> bool:
    """
    Bring the base path back to a state that some release meant. The caller holds the lock.

    A version that is there and unproved is proved once it serves everywhere, and withdrawn if it does not, unless it
    has the content that the caller is about to release: then its release simply goes on.

    :param wanted_digest: the model digest that the caller wants to see in service.
    :return: whether a version was withdrawn, or rolled back from, just now.
    :raises ReleaseError: the journal cannot be read.
    """
    journal = read_journal(tx.base)
    if journal is None:
        return False
    tx.note(f"An earlier run was killed ({journal.phase}, version {journal.version}); putting that in order first.")
    tx.journal, tx.before = journal, journal.before
    _restore_unloaded(tx, journal)
    tx.answered = [server for server, told in tx.fleet.statuses().items() if not isinstance(told, ModelServerError)]
    asked, tx.swap = tx.swap, make_swap(journal.model_config_file, journal.model_name)
    if journal.phase in {"rolling_back", "undoing_rollback"}:
        went_back = _settle_rollback(tx, journal)
    elif _goes_on(tx, journal, wanted_digest):
        tx.note(f"Version {journal.version} has the content that is to be released; its release goes on.")
        tx.swap, tx.answered = asked, []
        return False  # the journal stays until the release begins its own: it may be killed before that
    else:
        went_back = _settle_release(tx, journal)
    tx.journal, tx.swap, tx.before, tx.answered = None, asked, None, []
    tx.close()
    return went_back


def _restore_unloaded(tx: Transaction, journal: Journal) -> None:
    """
    Give the versions their numbers back that a release of tendies 0.1 had renamed to be unloaded before the swap.

    No release renames them any more: this can go with the first tendies that need not finish a release of 0.1.
    """
    if journal.moved and journal.phase not in {"rolling_back", "undoing_rollback"}:
        tx.lock.check()
        rename_all(tx.base, [(aside, name) for name, aside in reversed(journal.moved)])


def _settle_rollback(tx: Transaction, journal: Journal) -> bool:
    if journal.phase == "undoing_rollback":
        tx.note(restore_versions(tx))
        return False
    try:
        carry_out_rollback(tx)
    except ReleaseError as error:
        tx.note(str(error))
        return False
    tx.note(f"The rollback to version {journal.version} is finished.")
    return True


def _goes_on(tx: Transaction, journal: Journal, wanted_digest: str | None) -> bool:
    """Return whether the version is there, unproved, and what the caller is about to release."""
    wanted = journal.model_digest == wanted_digest and journal.phase != "withdrawing"
    return wanted and _is_there(tx, journal) and not _was_released(tx, journal)


def _is_there(tx: Transaction, journal: Journal) -> bool:
    return any(child.version == journal.version for child in list_version_dirs(tx.base))


def _was_released(tx: Transaction, journal: Journal) -> bool:
    events = {record.event for record in read_history(tx.base) if record.version == journal.version}
    return bool(events & {"released", "rolled_back"})


def _settle_release(tx: Transaction, journal: Journal) -> bool:
    there = _is_there(tx, journal)
    if journal.phase == "withdrawing":
        _finish_withdrawal(tx, journal, there=there)
        return True
    if not there:
        tx.swap.restore(tx)
        tx.note(f"Version {journal.version} had not become visible; nothing of it is left.")
    elif _was_released(tx, journal):
        tx.note(f"Version {journal.version} had been released before; it is left as it is. {restore_labels(tx)}")
    elif journal.phase == "proved":
        _finish_release(tx, journal, [], "had proved itself before its release was killed")
    elif (proofs := _proves_itself(tx, journal)) is not None:
        tx.enter("proved")  # before the label moves: whoever reads the journal must not take it for unproved
        _finish_release(tx, journal, proofs, "serves everywhere and proved itself just now")
    elif not _may_withdraw(tx, journal):
        words = "was there before the release that was killed, and did not prove itself now; it is left as it is."
        tx.note(f"Version {journal.version} {words} {restore_labels(tx)}")
    else:
        withdrawal = withdraw_candidate(tx, journal.version, journal.previous_version, slug="killed", reason=_KILLED)
        _keep_withdrawal(tx, journal, _KILLED, withdrawal.words)
        return withdrawal.withdrawn
    return False


def _may_withdraw(tx: Transaction, journal: Journal) -> bool:
    """Return True if the killed release made the version visible, or if that served nowhere before."""
    if made_visible(tx.base, journal):
        return True
    return journal.before is not None and journal.before.may_be_withdrawn(journal.version)


def _finish_release(tx: Transaction, journal: Journal, proofs: Sequence[Proof], known: str) -> None:
    """
    Give the version to everybody, and write down what any other release writes down.

    :param known: what is known about the version, and since when.
    """
    tx.swap.promote(tx, journal.version, journal.previous_version)
    record = record_of_journal(
        journal, "released", reason="finished after its release was killed", version_dir=tx.base / str(journal.version)
    )
    append_history(tx.base, record)
    tx.note(f"Version {journal.version} {known}; its release is finished.")
    report = ReleaseReport(
        state="released",
        model_name=record.model_name,
        version=record.version,
        previous_version=journal.previous_version,
        model_digest=record.model_digest,
        checkpoint=record.checkpoint,
        checkpoint_step=record.checkpoint_step,
        model_base_path=str(tx.base),
        replicas=tuple(ReplicaReport(proof.server, None, proof.images, proof.max_abs) for proof in proofs),
        elapsed_s=None,
        notes=tuple(tx.notes),
        gate=tx.gate,
        who=record.who,
    )
    keep_report(tx, report)


def _finish_withdrawal(tx: Transaction, journal: Journal, *, there: bool) -> None:
    reason = journal.reason or _KILLED
    if there:
        withdrawal = withdraw_candidate(tx, journal.version, journal.previous_version, slug="killed", reason=reason)
        _keep_withdrawal(tx, journal, reason, withdrawal.words)
        return
    withdrawn = list_withdrawn(tx.base).get(journal.version, tx.base / str(journal.version))
    if not any(r.event == "withdrawn" and r.version == journal.version for r in read_history(tx.base)):
        append_history(
            tx.base,
            record_of_version(
                "withdrawn", journal.version, withdrawn, reason=reason, servers=journal.servers, who=journal.who
            ),
        )
    _keep_withdrawal(tx, journal, reason, f"Version {journal.version} had been withdrawn: {reason}")


def _keep_withdrawal(tx: Transaction, journal: Journal, reason: str, words: str) -> None:
    """Say what became of the version, and keep it as its report."""
    tx.note(words)
    report = {"state": "withdrawn", "reason": reason, "now": words, "notes": tx.notes, "gate": {}, "swap": {}}
    report["who"] = journal.who
    try:
        write_report(tx.base, journal.version, report)
    except OSError as error:
        tx.note(f"The report could not be kept: {error.strerror} ({error.filename}).")


def _proves_itself(tx: Transaction, journal: Journal) -> list[Proof] | None:
    """
    Prove the version now; None: it did not, or could not be asked everywhere.

    Let the servers finish loading it first: where its directory is taken away between the graph and the variables, they
    serve it without variables until their next poll, and every request fails (``RunRestore`` in ``loader.cc``).
    """
    if any(isinstance(answer, ModelServerError) for answer in tx.fleet.statuses().values()):
        return None
    version, timeout_s = journal.version, tx.options.available_timeout_s
    try:
        wait_until_available(tx, version, timeout_s=timeout_s, highest=False, settle_on_failure=False)
        return prove_patiently(tx, version, golden_of(tx, version))
    except (LoadFailedError, PublishError, ModelServerError, ProofFailedError):
        return None
