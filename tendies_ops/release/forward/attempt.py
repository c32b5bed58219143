"""Have the servers load a candidate, and prove it; or withdraw it, with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tendies_ops.errors import LoadFailedError, NotProvedError, ProofFailedError, ReleaseError
from tendies_ops.release.back.withdraw_candidate import keep_withdrawal, restore_labels, withdraw_candidate
from tendies_ops.release.checks.gate import Gate
from tendies_ops.release.checks.patience import class_of_failure, prove_patiently, wait_until_available
from tendies_ops.release.checks.probe import SwapProbe
from tendies_ops.release.context import ReleaseContext
from tendies_ops.release.forward.find_candidate import Candidate
from tendies_ops.release.release_report import Evidence
from tendies_ops.release.replicas.fleet import as_sentence
from tendies_ops.release.replicas.golden_images import GoldenImage
from tendies_ops.spec.release_spec import SwapLimits


def prove_or_withdraw(
    ctx: ReleaseContext, candidate: Candidate, golden: tuple[GoldenImage, ...], gate: Gate, probe: SwapProbe
) -> Evidence:
    """
    Wait until the candidate serves and prove it on every replica, or withdraw it.

    :raises ReleaseError: it was withdrawn; the message has the reason and what serves now.
    :raises StoppedError: the same, because the release was asked to stop.
    :raises LockHeldError: this process was paused for so long that another one took over.
    """
    try:
        return _wait_and_prove(ctx, candidate, golden, gate, probe)
    except BaseException as error:
        ctx.lock.check()  # otherwise the process that has the lock now decides about the version
        end = _withdraw(ctx, candidate, gate, probe, error) if candidate.withdrawable else _keep(ctx, candidate, error)
        ctx.journal.close()
        if not isinstance(error, Exception):
            raise
        raise class_of_failure(error)(end) from error


def _withdraw(ctx: ReleaseContext, candidate: Candidate, gate: Gate, probe: SwapProbe, error: BaseException) -> str:
    """Withdraw the version that this release has made visible, and describe that."""
    version, reason = candidate.published.version, _reason(error)
    withdrawal = withdraw_candidate(ctx, version, candidate.previous, slug=_slug(error), reason=reason)
    kept = keep_withdrawal(ctx, reason, withdrawal.words, gate=gate.summary, swap=probe.report())
    failed = as_sentence(f"Version {version} of {ctx.fleet.model_name} was not released: {reason}")
    return f"{failed} {withdrawal.words} {kept}"


def _keep(ctx: ReleaseContext, candidate: Candidate, error: BaseException) -> str:
    """Restore the labels that this release has changed; the version itself was there before and stays."""
    version, restored = candidate.published.version, restore_labels(ctx)
    failed = "could not be proved" if isinstance(error, NotProvedError) else "failed its proof"
    known = f"which was there before this release began, {failed}"
    if candidate.released_before:
        known = f"which was released before, {failed}"
    hint = "" if candidate.previous is None else f" `tendies rollback` rolls back to version {candidate.previous}."
    return f"Version {version}, {known}: {as_sentence(_reason(error))} {restored}{hint}"


def _wait_and_prove(
    ctx: ReleaseContext, candidate: Candidate, golden: tuple[GoldenImage, ...], gate: Gate, probe: SwapProbe
) -> Evidence:
    version, swap = candidate.published.version, ctx.swap
    ctx.journal.enter("loading")
    if swap is not None and not candidate.released_before:
        swap.load(version, candidate.previous)
    outcomes = wait_until_available(ctx, version, timeout_s=ctx.options.available_timeout_s)
    ctx.journal.enter("available")
    ctx.log.say(f"Version {version} is AVAILABLE on {len(outcomes)} of {len(outcomes)} replicas")
    proofs = prove_patiently(ctx, version, golden)
    ctx.log.say(f"{len(golden)} golden images came back as promised from each replica")
    if swap is not None and not candidate.released_before:
        swap.try_out(version)
    gate.check(proofs[0].answers)
    probe.available()
    figures = probe.report()
    breaches = swap_breaches(ctx.options.limits, figures, max(outcome.at_s for outcome in outcomes.values()))
    if breaches:
        raise ReleaseError(f"The swap broke the limits of the spec: {'; '.join(breaches)}")
    ctx.journal.stop_if_cancelled()
    ctx.journal.enter("proved")
    if swap is not None:
        swap.promote(version, candidate.previous)
    return Evidence(proofs, outcomes, figures)


def swap_breaches(limits: SwapLimits, swap: Mapping[str, Any], seconds_to_available: float) -> list[str]:
    """Return one sentence for each limit of the spec that the swap broke."""
    found = []
    if limits.max_failed_requests is not None and swap["failed_by_swap"] > limits.max_failed_requests:
        found.append(f"{swap['failed_by_swap']} of {swap['requests']} requests failed ({'; '.join(swap['failures'])})")
    p99_ms = swap["during"].get("p99_ms")
    if limits.max_p99_ms is not None and p99_ms is not None and p99_ms > limits.max_p99_ms:
        found.append(f"p99 was {p99_ms:g} ms while the version was swapped, above {limits.max_p99_ms:g}")
    slowest_s = limits.max_seconds_to_available
    if slowest_s is not None and seconds_to_available > slowest_s:
        found.append(f"it took {seconds_to_available:.1f} s to become AVAILABLE, above {slowest_s:g}")
    return found


def _slug(error: BaseException) -> str:
    slugs: dict[type[Exception], str] = {LoadFailedError: "load-failed", NotProvedError: "not-proved"}
    slugs |= {ProofFailedError: "proof-failed", ReleaseError: "refused"}
    return next((slug for known, slug in slugs.items() if isinstance(error, known)), "stopped")


def _reason(error: BaseException) -> str:
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__
