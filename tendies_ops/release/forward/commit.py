"""The end of a release that went through: it is written down, and old versions go."""

from __future__ import annotations

from tendies_ops.errors import ModelServerError
from tendies_ops.publish.history import append_history
from tendies_ops.publish.retention import apply_retention
from tendies_ops.publish.stage import tree_size_bytes
from tendies_ops.release.checks.memory import remember_factor
from tendies_ops.release.forward.attempt import Evidence
from tendies_ops.release.forward.find_candidate import Candidate
from tendies_ops.release.record.history_record import record_of_journal
from tendies_ops.release.release_report import ReleaseReport, ReplicaReport, keep_report
from tendies_ops.release.transaction import Transaction


def commit_release(tx: Transaction, candidate: Candidate, evidence: Evidence, *, elapsed_s: float) -> ReleaseReport:
    """Write it into the history, close the journal, apply retention, keep the report."""
    manifest, version = candidate.manifest, candidate.published.version
    source = manifest.source
    tx.lock.check()
    if not candidate.released_before:
        append_history(tx.base, record_of_journal(tx.opened(), "released", version_dir=candidate.published.path))
    tx.close()
    _remove_old(tx)
    _remember_memory(tx, candidate, evidence)
    report = ReleaseReport(
        state="already_serving" if candidate.released_before else "released",
        model_name=manifest.model_name,
        version=version,
        previous_version=candidate.previous,
        model_digest=manifest.model_digest,
        checkpoint=source.checkpoint,
        checkpoint_step=source.step,
        model_base_path=str(tx.base),
        replicas=tuple(
            ReplicaReport(p.server, round(evidence.outcomes[p.server].at_s, 3), p.images, p.max_abs)
            for p in evidence.proofs
        ),
        elapsed_s=round(elapsed_s, 3),
        notes=tuple(tx.notes),
        swap=evidence.swap,
        gate=tx.gate,
        who=tx.who,
    )
    return keep_report(tx, report)


def _remember_memory(tx: Transaction, candidate: Candidate, evidence: Evidence) -> None:
    try:
        remember_factor(tx.base, tree_size_bytes(candidate.published.path), evidence.swap["memory_mb"])
    except OSError as error:
        tx.note(f"The memory it took could not be kept: {error.strerror} ({error.filename}).")


def _remove_old(tx: Transaction) -> None:
    statuses = tx.fleet.statuses()
    serving: set[int] = set()
    for server, answer in statuses.items():
        if isinstance(answer, ModelServerError):
            tx.note(f"Old versions were kept: {server} did not say what it has loaded.")
            return
        serving |= {version for version, status in answer.items() if status.state != "END"}
    try:
        removed = apply_retention(tx.base, keep=tx.options.keep_versions, serving=serving)
    except OSError as error:  # the release is true all the same
        tx.note(f"Old versions were kept: {error.filename} cannot be removed: {error.strerror}.")
        return
    if removed:
        tx.note(f"Removed old versions: {', '.join(map(str, removed))}")
