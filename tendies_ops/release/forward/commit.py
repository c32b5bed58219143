"""Commit a release: record it, remove old versions, keep its report."""

from __future__ import annotations

from tendies_ops.errors import ModelServerError
from tendies_ops.publish.history import append_history
from tendies_ops.publish.retention import apply_retention
from tendies_ops.publish.stage import tree_size_bytes
from tendies_ops.release.checks.gate import Gate
from tendies_ops.release.checks.memory import remember_factor
from tendies_ops.release.context import ReleaseContext
from tendies_ops.release.forward.find_candidate import Candidate
from tendies_ops.release.record.history_record import record_of_journal
from tendies_ops.release.release_report import Evidence, ReleaseReport, build_report, keep_report
from tendies_ops.spans import traced


@traced("tendies.release.commit")
def commit_release(
    ctx: ReleaseContext, candidate: Candidate, gate: Gate, evidence: Evidence, *, elapsed_s: float
) -> ReleaseReport:
    """Record the release in the history, close the journal, apply retention, and keep the report."""
    journal = ctx.journal.opened()
    record = record_of_journal(journal, "released", version_dir=candidate.published.path)
    ctx.lock.check()
    if not candidate.released_before:
        append_history(ctx.base, record)
    ctx.journal.close()
    _remove_old(ctx)
    _remember_memory(ctx, candidate, evidence)
    report = build_report(
        ctx,
        "already_serving" if candidate.released_before else "released",
        record,
        evidence,
        previous_version=journal.previous_version,
        elapsed_s=elapsed_s,
        gate=gate.summary,
    )
    return keep_report(ctx, report)


def _remember_memory(ctx: ReleaseContext, candidate: Candidate, evidence: Evidence) -> None:
    try:
        remember_factor(ctx.base, tree_size_bytes(candidate.published.path), evidence.swap["memory_mb"])
    except OSError as error:
        ctx.log.note(f"The memory it took could not be kept: {error.strerror} ({error.filename}).")


def _remove_old(ctx: ReleaseContext) -> None:
    statuses = ctx.fleet.statuses()
    serving: set[int] = set()
    for server, answer in statuses.items():
        if isinstance(answer, ModelServerError):
            ctx.log.note(f"Old versions were kept: {server} did not answer which versions it has loaded.")
            return
        serving |= {version for version, status in answer.items() if status.state != "END"}
    try:
        removed = apply_retention(ctx.base, keep=ctx.options.keep_versions, serving=serving)
    except OSError as error:  # the release is valid all the same
        ctx.log.note(f"Old versions were kept: {error.filename} cannot be removed: {error.strerror}.")
        return
    if removed:
        ctx.log.note(f"Removed old versions: {', '.join(map(str, removed))}")
