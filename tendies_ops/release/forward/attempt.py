"""From the rename to the proof; or back, with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tendies_ops.errors import (
    LoadFailedError,
    NotProvedError,
    ProofFailedError,
    ReleaseError,
)
from tendies_ops.release.back.withdraw_candidate import restore_labels, withdraw_candidate
from tendies_ops.release.checks.gate import LiveAnswers, check_gate
from tendies_ops.release.checks.patience import class_of_failure, prove_patiently, wait_until_available
from tendies_ops.release.checks.probe import SwapProbe
from tendies_ops.release.forward.find_candidate import Candidate
from tendies_ops.release.release_report import write_report
from tendies_ops.release.replicas.fleet import as_sentence
from tendies_ops.release.replicas.golden_images import GoldenImage
from tendies_ops.release.replicas.prove import Proof
from tendies_ops.release.replicas.wait import WaitOutcome
from tendies_ops.release.transaction import Transaction
from tendies_ops.spec.release import SwapLimits


@dataclass(frozen=True)
class Evidence:
    """Why a release may be called green."""

    outcomes: Mapping[str, WaitOutcome]
    proofs: tuple[Proof, ...]
    swap: dict[str, Any]  #: the probe's figures


def prove_or_withdraw(
    tx: Transaction,
    candidate: Candidate,
    golden: tuple[GoldenImage, ...],
    live: LiveAnswers | None,
    probe: SwapProbe,
) -> Evidence:
    """
    See the candidate serve and prove itself on every replica, or withdraw it.

    :raises ReleaseError: it was withdrawn; the text says why, and what serves now.
    :raises StoppedError: the same, because it was asked to stop.
    :raises LockHeldError: this process was paused for so long that another one took over.
    """
    try:
        return _wait_and_prove(tx, candidate, golden, live, probe)
    except BaseException as error:
        tx.lock.check()  # else whoever has the lock now decides about the version
        words = _withdraw(tx, candidate, probe, error) if candidate.withdrawable else _leave_alone(tx, candidate, error)
        tx.close()
        if not isinstance(error, Exception):
            raise
        raise class_of_failure(error)(words) from error


def _withdraw(tx: Transaction, candidate: Candidate, probe: SwapProbe, error: BaseException) -> str:
    """Withdraw what this release has made visible; return what became of it."""
    version, reason = candidate.published.version, _reason(error)
    withdrawal = withdraw_candidate(tx, version, candidate.previous, slug=_slug(error), reason=reason)
    report = write_report(
        tx.base,
        version,
        {"state": "withdrawn", "reason": reason, "now": withdrawal.words, "notes": tx.notes, "gate": tx.gate}
        | {"swap": probe.report(), "who": tx.who},
    )
    what = as_sentence(f"Version {version} of {tx.fleet.model_name} was not released: {reason}")
    return f"{what} {withdrawal.words} Report: {report}"


def swap_breaches(limits: SwapLimits, swap: Mapping[str, Any], seconds_to_available: float) -> list[str]:
    """Return which limits of the spec the swap broke, in words."""
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


def _wait_and_prove(
    tx: Transaction,
    candidate: Candidate,
    golden: tuple[GoldenImage, ...],
    live: LiveAnswers | None,
    probe: SwapProbe,
) -> Evidence:
    version = candidate.published.version
    tx.enter("loading")
    if not candidate.released_before:
        tx.swap.load(tx, version, candidate.previous)
    outcomes = wait_until_available(tx, version, timeout_s=tx.options.available_timeout_s)
    tx.enter("available")
    tx.say(f"Version {version} is AVAILABLE on {len(outcomes)} of {len(outcomes)} replicas")
    proofs = tuple(prove_patiently(tx, version, golden))
    tx.say(f"{len(golden)} golden images came back as promised from each replica")
    if not candidate.released_before:
        tx.swap.try_out(tx, version)
    check_gate(tx, live, proofs[0].answers)
    probe.available()
    swap = probe.report()
    breaches = swap_breaches(tx.options.limits, swap, max(outcome.at_s for outcome in outcomes.values()))
    if breaches:
        raise ReleaseError(f"The swap broke the limits of the spec: {'; '.join(breaches)}")
    tx.stop_if_cancelled()
    tx.enter("proved")
    tx.swap.promote(tx, version, candidate.previous)
    return Evidence(outcomes, proofs, swap)


def _leave_alone(tx: Transaction, candidate: Candidate, error: BaseException) -> str:
    """Restore what this release has changed, which is never the version itself: it was there before."""
    version, restored = candidate.published.version, restore_labels(tx)
    failed = "could not be proved" if isinstance(error, NotProvedError) else "did not prove itself"
    known = f"which was there before this release began, {failed}"
    if candidate.released_before:
        known = f"which was released before, {failed} again"
    hint = "" if candidate.previous is None else f" `tendies rollback` goes back to version {candidate.previous}."
    return f"Version {version}, {known}: {as_sentence(_reason(error))} {restored}{hint}"


def _slug(error: BaseException) -> str:
    names: dict[type[Exception], str] = {LoadFailedError: "load-failed", NotProvedError: "not-proved"}
    names |= {ProofFailedError: "proof-failed", ReleaseError: "refused"}
    return next((slug for known, slug in names.items() if isinstance(error, known)), "stopped")


def _reason(error: BaseException) -> str:
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__
