"""The end of a release that went through: it is written down, and old versions go."""

from __future__ import annotations

from dataclasses import replace

from tendies_ops.errors import ModelServerError
from tendies_ops.publish.history import HistoryRecord, append_history
from tendies_ops.publish.retention import apply_retention
from tendies_ops.publish.stage import tree_size_bytes
from tendies_ops.release.attempt import Evidence
from tendies_ops.release.candidate import Candidate
from tendies_ops.release.memory import remember_factor
from tendies_ops.release.report import ReleaseReport, ReplicaReport, write_report
from tendies_ops.release.transaction import Transaction
from tendies_ops.release.unload import bring_back


def commit_release(
    tx: Transaction, candidate: Candidate, evidence: Evidence, *, approved_by: str, elapsed_s: float
) -> ReleaseReport:
    """Write it into the history, close the journal, apply retention, keep the report."""
    manifest, version = candidate.manifest, candidate.published.version
    source = manifest.source
    tx.lock.check()
    if not candidate.committed_before:
        _write_history(tx, candidate, f"approved by {approved_by}" if approved_by else "")
    bring_back(tx)
    tx.close()
    _remove_old(tx)
    _remember_memory(tx, candidate, evidence)
    report = ReleaseReport(
        state="already_serving" if candidate.committed_before else "released",
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
    )
    return _keep_report(tx, report)


def _write_history(tx: Transaction, candidate: Candidate, reason: str) -> None:
    manifest = candidate.manifest
    record = HistoryRecord(
        "released",
        candidate.published.version,
        reason,
        manifest.model_name,
        manifest.model_digest,
        manifest.source.checkpoint,
        manifest.source.step,
        tx.fleet.servers,
        model_config_file=tx.swap.config_file,
    )
    append_history(tx.base, record)


def _remember_memory(tx: Transaction, candidate: Candidate, evidence: Evidence) -> None:
    try:
        remember_factor(tx.base, tree_size_bytes(candidate.published.path), evidence.swap["memory_mb"])
    except OSError as error:
        tx.note(f"The memory it took could not be kept: {error.strerror} ({error.filename}).")


def _keep_report(tx: Transaction, report: ReleaseReport) -> ReleaseReport:
    """The release is true also where a full disk takes no report of it."""
    try:
        return replace(report, report_path=str(write_report(tx.base, report.version, report.summary())))
    except OSError as error:
        tx.note(f"The report could not be kept: {error.strerror} ({error.filename}).")
        return replace(report, notes=tuple(tx.notes))


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
