"""
Wait until a version serves, and prove it: for releases, rollbacks and recoveries.

A replica may restart during its proof, which is not evidence against the version: the proof is repeated once.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from tendies_ops.errors import (
    LoadFailedError,
    NotProvedError,
    ProofFailedError,
    ProofInterruptedError,
    ReleaseError,
    StoppedError,
    TendiesError,
)
from tendies_ops.release.context import ReleaseContext
from tendies_ops.release.replicas.fleet import describe_outcomes
from tendies_ops.release.replicas.golden_images import GoldenImage, read_golden
from tendies_ops.release.replicas.prove import Proof, prove_version
from tendies_ops.release.replicas.wait import WaitOutcome
from tendies_ops.spans import traced
from tendies_ops.spec.manifest import read_manifest

_GONE_AFTER_S = 0.5  # a server that is being stopped may still answer that it serves


@traced("tendies.release.load")
def wait_until_available(
    ctx: ReleaseContext, version: int, *, timeout_s: float, highest: bool = True, settle_on_failure: bool = True
) -> dict[str, WaitOutcome]:
    """
    Wait until a version is AVAILABLE on every replica.

    :param highest: it must also be the highest there; the rest as in :meth:`Fleet.wait_until_serving`.
    :raises LoadFailedError: a replica did not load it in time.
    :raises StoppedError: the release was asked to stop.
    """
    outcomes = ctx.fleet.wait_until_serving(
        version,
        timeout_s=timeout_s,
        unreachable_grace_s=ctx.options.unreachable_grace_s,
        answered_before=dict.fromkeys(ctx.answered, True),
        cancelled=ctx.terms.cancelled,
        highest=highest,
        settle_on_failure=settle_on_failure,
    )
    ctx.journal.stop_if_cancelled()
    if any(outcome.kind != "serving" for outcome in outcomes.values()):
        raise LoadFailedError(describe_outcomes(outcomes))
    return outcomes


def golden_of(ctx: ReleaseContext, version: int) -> tuple[GoldenImage, ...]:
    """
    Read the golden images of a version that is in the base path.

    :raises PublishError: it has no manifest, or an image is missing.
    """
    version_dir = ctx.base / str(version)
    return read_golden(version_dir, read_manifest(version_dir))


def class_of_failure(error: BaseException) -> type[TendiesError]:
    """Return the class of the error that reports ``error`` and what was done about it."""
    known = (LoadFailedError, NotProvedError, ProofFailedError, StoppedError)
    return next((kind for kind in known if isinstance(error, kind)), ReleaseError)


@traced("tendies.release.prove")
def prove_patiently(
    ctx: ReleaseContext,
    version: int,
    golden: tuple[GoldenImage, ...],
    *,
    servers: Sequence[str] | None = None,
    stoppable: bool = True,
) -> list[Proof]:
    """
    Prove a version; if replicas restart during the proof, wait until they serve it again and repeat the proof once.

    A version that crashes its server with each request fails the second time as well.

    :param servers: only these; absent: all.
    :param stoppable: stop waiting when the release is asked to stop; False while a version is withdrawn.
    :raises ProofFailedError: as :func:`prove_version`, or the replicas did not serve it again.
    """
    cancelled = ctx.terms.cancelled if stoppable else None
    how: dict[str, Any] = {"tolerance": ctx.options.tolerance, "servers": servers, "cancelled": cancelled}
    try:
        return prove_version(ctx.fleet, version, golden, **how)
    except ProofInterruptedError as error:
        ctx.log.say(f"A replica restarted during the proof, which is repeated when it serves again ({error})")
        if not _are_back(ctx, version, servers, stoppable=stoppable):
            raise
    return prove_version(ctx.fleet, version, golden, **how)


def _are_back(ctx: ReleaseContext, version: int, servers: Sequence[str] | None, *, stoppable: bool) -> bool:
    time.sleep(_GONE_AFTER_S)
    outcomes = ctx.fleet.wait_until_serving(
        version,
        servers=servers,
        timeout_s=ctx.options.restore_timeout_s,
        unreachable_grace_s=ctx.options.unreachable_grace_s,
        answered_before=dict.fromkeys(ctx.fleet.servers, True),
        cancelled=ctx.terms.cancelled if stoppable else None,
        highest=False,
    )
    if stoppable:
        ctx.journal.stop_if_cancelled()
    return all(outcome.kind == "serving" for outcome in outcomes.values())
