"""Recover after a crash: finish the release or rollback in the journal, or restore what it had changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tendies_ops.errors import LoadFailedError, ModelServerError, ProofFailedError, PublishError, ReleaseError
from tendies_ops.publish.history import append_history, read_history, was_released
from tendies_ops.publish.layout import list_withdrawn
from tendies_ops.publish.version_dirs import list_version_dirs
from tendies_ops.release.back.roll_back import carry_out_rollback, restore_versions
from tendies_ops.release.back.withdraw_candidate import Withdrawal, keep_withdrawal, restore_labels, withdraw_candidate
from tendies_ops.release.checks.patience import golden_of, prove_patiently, wait_until_available
from tendies_ops.release.context import ReleaseContext
from tendies_ops.release.record.before import NOTHING_SEEN
from tendies_ops.release.record.history_record import record_of_journal, record_of_version
from tendies_ops.release.record.journal import Journal, made_visible
from tendies_ops.release.release_report import Evidence, build_report, keep_report
from tendies_ops.release.replicas.prove import Proof
from tendies_ops.spans import traced

_ROLLBACK = frozenset({"rolling_back", "restoring"})
_KILLED = "the release was killed before the version was proved"


@dataclass(frozen=True)
class Recovered:
    """The result of putting a base path in order after a crash."""

    went_back: bool = False  #: a version was withdrawn, or rolled back from, just now
    killed: Journal | None = None  #: of a killed release that the caller's release continues


@traced("tendies.release.recover")
def recover(ctx: ReleaseContext, *, wanted_digest: str | None = None) -> Recovered:
    """
    Finish an interrupted release, or withdraw its version, so that the base path is consistent.

    The caller holds the lock. A version that is visible and unproved is proved once it serves everywhere, and withdrawn
    if it does not, unless it has the content that the caller is about to release: the caller then continues.

    :param wanted_digest: the model digest that the caller is about to release.
    :raises ReleaseError: the journal cannot be read.
    """
    journal = ctx.journal.adopt()
    if journal is None:
        return Recovered()
    ctx.log.note(f"An earlier run was killed ({journal.phase}, version {journal.version}); recovering first.")
    if _goes_on(ctx, journal, wanted_digest):
        ctx.log.note(f"Version {journal.version} has the content that is to be released; its release goes on.")
        return Recovered(killed=journal)  # the journal stays until the caller begins its own: it may be killed first
    alive = [server for server, answer in ctx.fleet.statuses().items() if not isinstance(answer, ModelServerError)]
    ctx = replace(ctx, before=journal.before or NOTHING_SEEN, answered=tuple(alive))
    settle = _settle_rollback if journal.phase in _ROLLBACK else _settle_release
    went_back = settle(ctx.by_config_file(journal.model_config_file), journal)
    ctx.journal.close()
    return Recovered(went_back)


def _settle_rollback(ctx: ReleaseContext, journal: Journal) -> bool:
    if journal.phase == "restoring":
        ctx.log.note(restore_versions(ctx))
        return False
    try:
        carry_out_rollback(ctx)
    except ReleaseError as error:
        ctx.log.note(str(error))
        return False
    ctx.log.note(f"The rollback to version {journal.version} is finished.")
    return True


def _goes_on(ctx: ReleaseContext, journal: Journal, wanted_digest: str | None) -> bool:
    """Return True if the version is visible, unproved, and has the content that the caller is about to release."""
    wanted = journal.model_digest == wanted_digest and journal.phase not in {"withdrawing", *_ROLLBACK}
    return wanted and _is_there(ctx, journal) and not was_released(ctx.base, journal.version)


def _is_there(ctx: ReleaseContext, journal: Journal) -> bool:
    return any(child.version == journal.version for child in list_version_dirs(ctx.base))


def _settle_release(ctx: ReleaseContext, journal: Journal) -> bool:
    if journal.phase == "withdrawing":
        return _finish_withdrawal(ctx, journal, journal.reason or _KILLED)
    if not _is_there(ctx, journal):
        if ctx.swap is not None:
            ctx.swap.restore(ctx.before)
        ctx.log.note(f"Version {journal.version} had not become visible; none of it is left.")
    elif was_released(ctx.base, journal.version):
        ctx.log.note(f"Version {journal.version} had been released before and stays. {restore_labels(ctx)}")
    elif journal.phase == "proved":
        _finish_release(ctx, journal, [], "had been proved before its release was killed")
    elif (proofs := _proves_itself(ctx, journal)) is not None:
        ctx.journal.enter("proved")  # before the label moves: readers of the journal must not take it for unproved
        _finish_release(ctx, journal, proofs, "serves everywhere and was proved just now")
    elif not _may_withdraw(ctx, journal):
        words = "was there before the release that was killed, and failed its proof now; it stays."
        ctx.log.note(f"Version {journal.version} {words} {restore_labels(ctx)}")
    else:
        return _finish_withdrawal(ctx, journal, _KILLED)
    return False


def _may_withdraw(ctx: ReleaseContext, journal: Journal) -> bool:
    """Return True if the killed release made the version visible, or if the version served nowhere before."""
    if made_visible(ctx.base, journal):
        return True
    return journal.before is not None and journal.before.may_be_withdrawn(journal.version)


def _finish_release(ctx: ReleaseContext, journal: Journal, proofs: Sequence[Proof], known: str) -> None:
    """
    Put the version into service, and record it like any other release.

    :param known: the proof of the version, as a clause.
    """
    if ctx.swap is not None:
        ctx.swap.promote(journal.version, journal.previous_version)
    record = record_of_journal(
        journal, "released", reason="finished after its release was killed", version_dir=ctx.base / str(journal.version)
    )
    append_history(ctx.base, record)
    ctx.log.note(f"Version {journal.version} {known}; its release is finished.")
    report = build_report(ctx, "released", record, Evidence(proofs), previous_version=journal.previous_version)
    keep_report(ctx, report)


def _finish_withdrawal(ctx: ReleaseContext, journal: Journal, reason: str) -> bool:
    """
    Withdraw the version, or record that the killed release has renamed it already.

    :return: True if it is withdrawn now.
    """
    if _is_there(ctx, journal):
        done = withdraw_candidate(ctx, journal.version, journal.previous_version, slug="killed", reason=reason)
    else:
        done = Withdrawal(withdrawn=True, words=f"Version {journal.version} had been withdrawn: {reason}")
        history = read_history(ctx.base)
        if not any(record.event == "withdrawn" and record.version == journal.version for record in history):
            path = list_withdrawn(ctx.base).get(journal.version, ctx.base / str(journal.version))
            servers, who = journal.servers, journal.who
            record = record_of_version("withdrawn", journal.version, path, reason=reason, servers=servers, who=who)
            append_history(ctx.base, record)
    ctx.log.note(done.words)
    keep_withdrawal(ctx, reason, done.words)
    return done.withdrawn


def _proves_itself(ctx: ReleaseContext, journal: Journal) -> list[Proof] | None:
    """
    Prove the version now; None: it failed its proof, or a replica does not answer.

    Let the servers finish loading it first: if its directory is renamed between the graph and the variables, they serve
    it without variables until their next poll, and every request fails (``RunRestore`` in ``loader.cc``).
    """
    if any(isinstance(answer, ModelServerError) for answer in ctx.fleet.statuses().values()):
        return None
    version, timeout_s = journal.version, ctx.options.available_timeout_s
    try:
        wait_until_available(ctx, version, timeout_s=timeout_s, highest=False, settle_on_failure=False)
        return prove_patiently(ctx, version, golden_of(ctx, version))
    except (LoadFailedError, PublishError, ModelServerError, ProofFailedError):
        return None
