"""A replica may restart in the middle of its proof, which says nothing about the version: it is asked once more."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from tendies_ops.errors import ProofInterruptedError
from tendies_ops.release.replicas.golden_images import GoldenImage
from tendies_ops.release.replicas.prove import Proof, prove_version
from tendies_ops.release.transaction import Transaction

_GONE_AFTER_S = 0.5  # a server that is being stopped may still answer that it serves


def prove_patiently(
    tx: Transaction,
    version: int,
    golden: tuple[GoldenImage, ...],
    *,
    servers: Sequence[str] | None = None,
    stoppable: bool = True,
) -> list[Proof]:
    """
    Prove a version; where replicas went away meanwhile, wait until they serve it again and prove it a second time.

    Only once: a version that takes its server down whenever it is asked fails the second time as well.

    :param servers: only these; absent: all.
    :param stoppable: whether to stop waiting when the release is asked to; not while it is undone.
    :raises ProofFailedError: as :func:`prove_version`, or they did not come back.
    """
    cancelled = tx.cancelled if stoppable else None
    how: dict[str, Any] = {"tolerance": tx.options.tolerance, "servers": servers, "cancelled": cancelled}
    try:
        return prove_version(tx.fleet, version, golden, **how)
    except ProofInterruptedError as error:
        tx.say(f"A replica went away in its proof, which begins again when it is back ({error})")
        if not _are_back(tx, version, servers, stoppable=stoppable):
            raise
    return prove_version(tx.fleet, version, golden, **how)


def _are_back(tx: Transaction, version: int, servers: Sequence[str] | None, *, stoppable: bool) -> bool:
    time.sleep(_GONE_AFTER_S)
    outcomes = tx.fleet.wait_until_serving(
        version,
        servers=servers,
        timeout_s=tx.options.restore_timeout_s,
        unreachable_grace_s=tx.options.unreachable_grace_s,
        answered_before=tx.fleet.servers,
        cancelled=tx.cancelled if stoppable else None,
        highest=False,
    )
    if stoppable:
        tx.stop_if_cancelled()
    return all(outcome.kind == "serving" for outcome in outcomes.values())
