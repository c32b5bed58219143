"""Carry out the rollback in the journal, also if it was killed halfway."""

from __future__ import annotations

import os
from pathlib import Path

from tendies_ops.errors import TendiesError
from tendies_ops.files import sync_directory
from tendies_ops.publish.history import append_history
from tendies_ops.publish.version_dirs import parse_version
from tendies_ops.release.back.withdraw_candidate import confirm_serving
from tendies_ops.release.checks.patience import class_of_failure, golden_of, prove_patiently, wait_until_available
from tendies_ops.release.context import ReleaseContext
from tendies_ops.release.record.history_record import record_of_journal, record_of_version
from tendies_ops.release.record.journal import Journal
from tendies_ops.release.release_report import Evidence
from tendies_ops.spans import traced


@traced("tendies.release.roll_back")
def carry_out_rollback(ctx: ReleaseContext) -> Evidence:
    """
    Withdraw the versions above, wait, prove, record it. Restore them if the older version does not serve.

    :raises ReleaseError: it does not serve; everything is restored.
    """
    journal = ctx.journal.opened()
    swap = ctx.swap
    try:
        if swap is not None:
            swap.load(journal.version, journal.previous_version)
        else:
            rename_all(ctx.base, journal.moved)
        evidence = _wait_and_prove(ctx, journal)
        ctx.lock.check()
        if swap is not None:
            swap.promote(journal.version, None)
            rename_all(ctx.base, journal.moved)
    except BaseException as error:
        words = restore_versions(ctx)
        if not isinstance(error, TendiesError):
            raise
        raise class_of_failure(error)(
            f"The rollback of {journal.model_name} to version {journal.version} failed: "
            f"{str(error).rstrip('.')}. {words}"
        ) from error
    _write_history(ctx, journal)
    ctx.journal.close()
    return evidence


def restore_versions(ctx: ReleaseContext) -> str:
    """
    Restore the numbers of the versions that a rollback has withdrawn, highest first.

    :return: a sentence on what serves now.
    """
    journal = ctx.journal.enter("restoring")
    rename_all(ctx.base, [(away, name) for name, away in reversed(journal.moved)])
    if ctx.swap is not None and journal.before is not None:
        ctx.swap.restore(journal.before)
    ctx.journal.close()
    if journal.previous_version is None or not journal.moved:
        return "Nothing was changed."
    return f"Everything was restored. {confirm_serving(ctx, journal.previous_version)}"


def _wait_and_prove(ctx: ReleaseContext, journal: Journal) -> Evidence:
    timeout_s, highest = ctx.options.restore_timeout_s, ctx.swap is None
    outcomes = wait_until_available(ctx, journal.version, timeout_s=timeout_s, highest=highest)
    golden = golden_of(ctx, journal.version)
    proofs = prove_patiently(ctx, journal.version, golden)
    ctx.log.say(f"Version {journal.version} serves again and {len(golden)} golden images came back as promised")
    return Evidence(proofs, outcomes)


def rename_all(base: Path, pairs: list[tuple[str, str]] | tuple[tuple[str, str], ...]) -> None:
    """Rename each pair's first name to its second, except those that a killed run has renamed already."""
    for source, target in pairs:
        # A dangling link counts as well: servers take it for a version.
        if os.path.lexists(base / source) and not os.path.lexists(base / target):
            (base / source).rename(base / target)
    sync_directory(base)


def _write_history(ctx: ReleaseContext, journal: Journal) -> None:
    if not journal.moved:
        return  # it served already
    why = journal.reason or f"rolled back to version {journal.version}"
    for name, away in journal.moved:
        version = parse_version(name)
        if version is not None:
            append_history(
                ctx.base,
                record_of_version(
                    "withdrawn", version, ctx.base / away, reason=why, servers=journal.servers, who=journal.who
                ),
            )
    version_dir = ctx.base / str(journal.version)
    append_history(ctx.base, record_of_journal(journal, "rolled_back", reason=journal.reason, version_dir=version_dir))
