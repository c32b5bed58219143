"""
A release: either the new version serves on every replica and has proved it, or the previous one serves.

    staged -> published -> loading -> available -> proved -> committed
                  |            |           |          |
                  +------------+-----------+----------+-> withdrawn, with the reason; the previous version serves again
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tendies_ops.errors import LoadFailedError, ProofFailedError, ReleaseError, StoppedError, TendiesError
from tendies_ops.publish.history import HistoryRecord, append_history, read_history
from tendies_ops.publish.layout import discard, ensure_base_path, remove_leftovers
from tendies_ops.publish.lock import lock_base_path
from tendies_ops.publish.publish import (
    PublishedVersion,
    find_same_content,
    make_visible,
    prepare_version,
    unused_version,
)
from tendies_ops.publish.versions import list_version_dirs
from tendies_ops.release.fleet import Fleet, describe_outcomes
from tendies_ops.release.journal import close_journal
from tendies_ops.release.preflight import check_promises, look_at_fleet
from tendies_ops.release.prove import Proof, prove_version, read_golden
from tendies_ops.release.recover import recover
from tendies_ops.release.report import ReleaseReport, ReplicaReport
from tendies_ops.release.transaction import Transaction
from tendies_ops.release.undo import undo_release
from tendies_ops.release.wait import WaitOutcome
from tendies_ops.spec.manifest import Manifest, read_manifest
from tendies_ops.spec.release import ReleaseSpec


@dataclass(frozen=True)
class Candidate:
    """The version on its way into service."""

    published: PublishedVersion
    manifest: Manifest
    previous: int | None
    committed_before: bool  #: an earlier release proved it: then it is never withdrawn by this one


def release_model(  # noqa: PLR0913  # keyword-only options
    saved_model_dir: Path,
    model_base_path: Path,
    servers: Sequence[str],
    *,
    options: ReleaseSpec | None = None,
    check_loads: Callable[[Path], None] | None = None,
    cancelled: threading.Event | None = None,
    on_step: Callable[[str], None] | None = None,
    lock_timeout_s: float = 600.0,
) -> ReleaseReport:
    """
    Publish ``saved_model_dir`` and see it serve on every replica, or take it back.

    What a killed release left is finished or undone first. The same content again is no new version: it is proved
    again and reported as ``already_serving``.

    :param servers: REST base URL of every replica. Their model has the name that the manifest says.
    :param check_loads: loads a SavedModel once, in a process of its own, and raises if it does not load.
    :param cancelled: when set, what is not committed is withdrawn and StoppedError raised.
    :param on_step: gets a sentence at each step.
    :param lock_timeout_s: how long to wait for another release or publisher.
    :raises ReleaseError: it did not go through. The text has the server's words and says what serves now.
    :raises PublishError: it could not be published; nothing was changed.
    """
    started_s = time.monotonic()
    manifest = read_manifest(saved_model_dir)
    check_promises(saved_model_dir, manifest)
    base = ensure_base_path(model_base_path)
    purpose = f"release of {manifest.model_name}"
    with (
        Fleet(servers, manifest.model_name) as fleet,
        lock_base_path(base, purpose=purpose, timeout_s=lock_timeout_s, cancelled=cancelled) as lock,
    ):
        tx = Transaction(base, fleet, lock, options or ReleaseSpec(), on_step or (lambda _: None), cancelled)
        remove_leftovers(base)
        recover(tx, wanted_digest=manifest.model_digest)
        previous = look_at_fleet(tx)
        candidate = _publish(tx, saved_model_dir, manifest, previous, check_loads)
        outcomes, proofs = _prove_or_undo(tx, candidate)
        return _commit(tx, candidate, outcomes, proofs, started_s)


def _publish(
    tx: Transaction,
    saved_model_dir: Path,
    manifest: Manifest,
    previous: int | None,
    check_loads: Callable[[Path], None] | None,
) -> Candidate:
    same = find_same_content(tx.base, manifest)
    highest = max((child.version for child in list_version_dirs(tx.base)), default=0)
    if same is not None and same.version == highest:
        committed = any(r.version == same.version and r.event == "released" for r in read_history(tx.base))
        before = [child.version for child in list_version_dirs(tx.base) if child.is_plain and child.version < highest]
        previous = max(before, default=None) if previous == same.version else previous
        tx.say(f"Version {same.version} has this content already; nothing is copied")
        tx.begin("loading", manifest=manifest, version=same.version, previous_version=previous)
        return Candidate(same, manifest, previous, committed)
    staging = prepare_version(saved_model_dir, tx.base, manifest, check_loads=check_loads, cancelled=tx.cancelled)
    try:
        version = unused_version(tx.base, burnt=_seen_by_servers(tx))
        tx.begin("staged", manifest=manifest, version=version, previous_version=previous)
        tx.stop_if_cancelled()
        published = make_visible(staging, tx.base, version=version, manifest=manifest, lock=tx.lock)
    except BaseException:
        if staging.exists():
            discard(staging)
            close_journal(tx.base)
        raise
    tx.say(f"Published version {version} in {tx.base}")
    return Candidate(published, manifest, previous, committed_before=False)


def _seen_by_servers(tx: Transaction) -> list[int]:
    """A server never loads a number again that it could not load, whatever lies under it then."""
    return [version for answer in tx.fleet.statuses().values() if isinstance(answer, dict) for version in answer]


def _prove_or_undo(tx: Transaction, candidate: Candidate) -> tuple[dict[str, WaitOutcome], list[Proof]]:
    try:
        return _wait_and_prove(tx, candidate)
    except BaseException as error:
        if candidate.committed_before:
            close_journal(tx.base)
            raise _left_alone(candidate, error) from error
        undone = undo_release(
            tx, candidate.published.version, candidate.previous, slug=_slug(error), reason=_reason(error)
        )
        close_journal(tx.base)
        if not isinstance(error, Exception):
            raise
        what = f"Version {candidate.published.version} of {tx.fleet.model_name} was not released: {_reason(error)}."
        raise _error_class(error)(f"{what} {undone.words}") from error


def _wait_and_prove(tx: Transaction, candidate: Candidate) -> tuple[dict[str, WaitOutcome], list[Proof]]:
    version = candidate.published.version
    tx.enter("loading")
    outcomes = tx.fleet.wait_until_serving(
        version,
        timeout_s=tx.options.available_timeout_s,
        unreachable_grace_s=tx.options.unreachable_grace_s,
        answered_before=tx.answered,
        cancelled=tx.cancelled,
    )
    tx.stop_if_cancelled()
    if any(outcome.kind != "serving" for outcome in outcomes.values()):
        raise LoadFailedError(describe_outcomes(outcomes))
    tx.enter("available")
    tx.say(f"Version {version} is AVAILABLE on {len(outcomes)} of {len(outcomes)} replicas")
    golden = read_golden(candidate.published.path, candidate.manifest)
    proofs = prove_version(tx.fleet, version, golden, tolerance=tx.options.tolerance)
    tx.stop_if_cancelled()
    tx.enter("proved")
    tx.say(f"{len(golden)} golden images came back as promised from each replica")
    return outcomes, proofs


def _commit(
    tx: Transaction,
    candidate: Candidate,
    outcomes: Mapping[str, WaitOutcome],
    proofs: Sequence[Proof],
    started_s: float,
) -> ReleaseReport:
    manifest, version = candidate.manifest, candidate.published.version
    source = manifest.source
    if not candidate.committed_before:
        record = HistoryRecord(
            "released", version, "", manifest.model_name, manifest.model_digest, source.checkpoint, source.step,
            tx.fleet.servers,
        )  # fmt: skip
        append_history(tx.base, record)
    close_journal(tx.base)
    return ReleaseReport(
        state="already_serving" if candidate.committed_before else "released",
        model_name=manifest.model_name,
        version=version,
        previous_version=candidate.previous,
        model_digest=manifest.model_digest,
        checkpoint=source.checkpoint,
        checkpoint_step=source.step,
        model_base_path=str(tx.base),
        replicas=tuple(ReplicaReport(p.server, outcomes[p.server].at_s, p.images, p.max_abs) for p in proofs),
        elapsed_s=round(time.monotonic() - started_s, 3),
        notes=tuple(tx.notes),
    )


def _left_alone(candidate: Candidate, error: BaseException) -> BaseException:
    if not isinstance(error, TendiesError):
        return error
    return _error_class(error)(
        f"Version {candidate.published.version}, which was released before, did not prove itself again: "
        f"{_reason(error)}. Nothing was changed; `tendies rollback` goes back to the version before."
    )


def _error_class(error: BaseException) -> type[TendiesError]:
    for known in (LoadFailedError, ProofFailedError, StoppedError):
        if isinstance(error, known):
            return known
    return ReleaseError


def _slug(error: BaseException) -> str:
    names = {LoadFailedError: "load-failed", ProofFailedError: "proof-failed"}
    return next((slug for known, slug in names.items() if isinstance(error, known)), "stopped")


def _reason(error: BaseException) -> str:
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__
