"""Withdraw the candidate, then check that the previous version serves everywhere."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tendies_ops.errors import ModelServerError, ProofFailedError, PublishError, TendiesError
from tendies_ops.publish.version_dirs import list_version_dirs
from tendies_ops.release.checks.patience import golden_of, prove_patiently
from tendies_ops.release.context import ReleaseContext
from tendies_ops.release.release_report import write_report
from tendies_ops.release.replicas.fleet import as_sentence, describe_outcomes
from tendies_ops.release.replicas.wait import WaitOutcome
from tendies_ops.release.withdraw import whole_versions_below, withdraw_version
from tendies_ops.spans import traced

_POLL_S = 0.1
_NOTICE_S = 2.0  # Model Server polls every second by default
_LOAD_S = 5.0  # a server that tries a broken version again and again is LOADING for minutes


@dataclass(frozen=True)
class Withdrawal:
    """The result of a withdrawal."""

    withdrawn: bool
    words: str


@traced("tendies.release.withdraw")
def withdraw_candidate(
    ctx: ReleaseContext, version: int, previous: int | None, *, slug: str, reason: str
) -> Withdrawal:
    """
    Withdraw ``version`` and wait for the previous one. Errors of servers are part of the result.

    :param previous: the version in service before; None: no version was.
    :param reason: for the history; with the server's error message.
    """
    fallback = version_to_fall_back_to(ctx, version, previous)
    if fallback is None and previous is not None:
        words = f"It was NOT withdrawn: version {previous} is gone or damaged, and nothing else could serve."
        return Withdrawal(withdrawn=False, words=words)
    with contextlib.suppress(OSError):  # a full disk must not keep a bad version in service
        ctx.journal.enter("withdrawing", reason=reason)
    _withdraw_labels(ctx, version, fallback)
    _let_loads_finish(ctx, version)
    who = ctx.journal.opened().who
    path = withdraw_version(ctx.base, version, slug=slug, reason=reason, servers=ctx.fleet.servers, who=who)
    ctx.log.say(f"Withdrew version {version}: {reason}")
    moved = "" if path is None else f"It is in {path} now. "
    if fallback is None:
        words = f"{moved}There was no previous version: {ctx.fleet.model_name} is not served."
        return Withdrawal(withdrawn=True, words=words)
    words = moved + confirm_serving(ctx, fallback)
    if ctx.swap is not None:
        words += _missing_versions(ctx, but=(version, fallback))
    return Withdrawal(withdrawn=True, words=words)


def keep_withdrawal(
    ctx: ReleaseContext, reason: str, now: str, *, gate: Mapping[str, Any] | None = None, swap: Any = None
) -> str:
    """
    Keep the report of a withdrawn version.

    :param now: what became of the version, and what serves now.
    :param swap: the probe's figures.
    :return: a sentence that names the report; empty: it could not be kept.
    """
    report = {"state": "withdrawn", "reason": reason, "now": now, "notes": ctx.log.notes, "gate": dict(gate or {})}
    journal = ctx.journal.opened()
    report |= {"swap": swap or {}, "who": journal.who}
    path = write_report(ctx, journal.version, report)
    return f"Report: {path}" if path else ""


def restore_labels(ctx: ReleaseContext) -> str:
    """
    Restore the labels and the loaded versions as they were before this release.

    :return: a sentence for the error message.
    """
    try:
        changed = ctx.swap is not None and ctx.swap.restore(ctx.before)
    except TendiesError as error:
        return f"The model config file was not restored: {as_sentence(str(error))}"
    return "The labels are as they were." + _missing_versions(ctx) if changed else "Nothing was changed."


def _missing_versions(ctx: ReleaseContext, *, but: tuple[int, ...] = ()) -> str:
    """
    Wait until the versions that were AVAILABLE before are AVAILABLE again, on the same replicas.

    :param but: versions to leave out.
    :return: a sentence for each that is not; empty: all are.
    """
    before = ctx.before.available
    there = {child.version for child in list_version_dirs(ctx.base)} - set(but)
    words = ""
    for version in sorted(there & {found for versions in before.values() for found in versions}):
        servers = [server for server, versions in before.items() if version in versions]
        outcomes = _wait_again(ctx, version, servers, highest=False)
        wrong = {server: outcome for server, outcome in outcomes.items() if outcome.kind != "serving"}
        words += f" Version {version}, which served before, does not: {describe_outcomes(wrong)}." if wrong else ""
    return words


def _wait_again(
    ctx: ReleaseContext, version: int, servers: Sequence[str], *, highest: bool = True
) -> dict[str, WaitOutcome]:
    """Wait the full timeout for a replica that the candidate crashed, and the grace for one that never answered."""
    return ctx.fleet.wait_until_serving(
        version,
        servers=servers,
        timeout_s=ctx.options.restore_timeout_s,
        unreachable_grace_s=ctx.options.unreachable_grace_s,
        answered_before={server: False for server in servers if server not in ctx.answered},
        settle_on_failure=False,
        highest=highest,
    )


def _withdraw_labels(ctx: ReleaseContext, version: int, fallback: int | None) -> None:
    try:
        if ctx.swap is not None:
            ctx.swap.withdraw(version, fallback, ctx.before)
    except TendiesError as error:  # the withdrawal itself must go on
        ctx.log.note(f"The model config file was not restored: {error}")


def _let_loads_finish(ctx: ReleaseContext, version: int) -> None:
    """
    Wait while a replica loads ``version`` or is about to; the version before still answers.

    If its directory is renamed between the graph and the variables, a replica serves it without variables until its
    next poll, and every request fails (``RunRestore`` in ``loader.cc``).
    """
    timeout_s = min(_LOAD_S, ctx.options.available_timeout_s)
    started_s = time.monotonic()
    loading = ctx.fleet.loading(version, timeout_s=timeout_s, or_unseen=True)
    while loading and (left_s := started_s + timeout_s - time.monotonic()) > 0:
        time.sleep(_POLL_S)
        or_unseen = time.monotonic() - started_s < _NOTICE_S
        loading = ctx.fleet.loading(version, loading, timeout_s=left_s, or_unseen=or_unseen)


def version_to_fall_back_to(ctx: ReleaseContext, version: int, previous: int | None) -> int | None:
    """Return the version that the servers will load once ``version`` is withdrawn, if it can serve."""
    below = [child for child in list_version_dirs(ctx.base) if child.version < version]
    if not below or previous is None:
        return None
    if (
        below[-1].version == previous
        and below[-1].is_plain
        and not (below[-1].path / "assets.extra/tendies.json").exists()
    ):
        return previous  # not made by tendies: it served, and no manifest lists its files
    return next(whole_versions_below(ctx.base, version), None)


def confirm_serving(ctx: ReleaseContext, version: int) -> str:
    """
    Wait until ``version`` is AVAILABLE and proved on every replica that is up.

    :return: sentences on where it serves and where it does not.
    """
    outcomes = _wait_again(ctx, version, ctx.fleet.servers)
    wrong = {server: outcome for server, outcome in outcomes.items() if outcome.kind != "serving"}
    serving = [server for server in outcomes if server not in wrong]
    unproved = _disproof(ctx, version, serving)
    words = f"Version {version} serves on {', '.join(serving) or 'no replica'}"
    words += ", proved by its golden images. " if serving and unproved == "" else ". "
    if unproved:
        words += f"But: {as_sentence(unproved)} "
    if wrong:
        words += f"It does not serve on {as_sentence(describe_outcomes(wrong))}"
    return words.strip()


def _disproof(ctx: ReleaseContext, version: int, servers: list[str]) -> str:
    """Return the error of the proof of ``version``; empty if it passed."""
    if not servers:
        return ""
    try:
        golden = golden_of(ctx, version)
    except PublishError:
        return f"version {version} has no golden images, so only its state is known"
    try:
        prove_patiently(ctx, version, golden, servers=servers, stoppable=False)
    except (ModelServerError, ProofFailedError) as error:
        return str(error).rstrip(".")
    return ""
