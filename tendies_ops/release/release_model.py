"""
A release: either the new version serves on every replica and has proved it, or the previous one serves.

    staged -> published -> loading -> available -> proved -> committed
                  |            |           |          |
                  +------------+-----------+----------+-> withdrawn, with the reason; the previous version serves again
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tendies_ops.credentials import NO_CREDENTIALS, Credentials
from tendies_ops.publish.layout import ensure_base_path, remove_leftovers
from tendies_ops.publish.leases import leases_in_the_way, remove_dead_leases
from tendies_ops.release.back.recover import recover
from tendies_ops.release.checks.gate import LiveAnswers, ask_live_version, check_limits, open_gate
from tendies_ops.release.checks.leased import wait_for_leases
from tendies_ops.release.checks.memory import check_memory
from tendies_ops.release.checks.preconditions import check_promises, look_at_fleet
from tendies_ops.release.checks.probe import SwapProbe
from tendies_ops.release.forward.attempt import prove_or_withdraw
from tendies_ops.release.forward.commit import commit_release
from tendies_ops.release.forward.find_candidate import (
    Candidate,
    find_candidate,
    publish_candidate,
    serves_something_else,
)
from tendies_ops.release.release_report import ReleaseReport
from tendies_ops.release.replicas.fleet import check_servers
from tendies_ops.release.replicas.golden_images import GoldenImage, read_golden
from tendies_ops.release.transaction import Terms, Transaction, open_transaction
from tendies_ops.spec.manifest import Manifest, read_manifest
from tendies_ops.spec.release import ReleaseSpec


def release_model(  # noqa: PLR0913  # keyword-only options
    saved_model_dir: Path,
    model_base_path: Path,
    servers: Sequence[str],
    *,
    options: ReleaseSpec | None = None,
    check_loads: Callable[[Path], None] | None = None,
    approved_by: str = "",
    who: str = "",
    cancelled: threading.Event | None = None,
    on_step: Callable[[str], None] | None = None,
    lock_timeout_s: float = 600.0,
    credentials: Credentials = NO_CREDENTIALS,
) -> ReleaseReport:
    """
    Publish ``saved_model_dir`` and see it serve on every replica, or withdraw it.

    What a killed release left is finished or withdrawn first. The same content again is no new version: it is proved
    again and reported as ``already_serving``.

    :param servers: REST base URL of every replica. Their model has the name that the manifest says.
    :param check_loads: loads a SavedModel once, in a process of its own, and raises if it does not load.
    :param approved_by: who has looked at the pictures, where the gate asks for a review.
    :param who: whoever asked for the release, for history and report; empty: user and host of this process.
    :param cancelled: when set, what is not committed is withdrawn and StoppedError raised.
    :param on_step: gets a sentence at each step.
    :param lock_timeout_s: how long to wait for another release or publisher.
    :param credentials: login and TLS for the replicas where ``options`` name no file of it.
    :raises ReleaseError: it did not go through. The text has the server's words and says what serves now.
    :raises PublishError: it could not be published; nothing was changed.
    """
    options = options or ReleaseSpec()
    check_servers(servers, credentials.with_files(options))
    manifest = read_manifest(saved_model_dir)
    check_promises(saved_model_dir, manifest)
    base = ensure_base_path(model_base_path)
    terms = Terms(options, cancelled, on_step, lock_timeout_s, credentials)
    purpose, runs_end_s = f"release of {manifest.model_name}", time.monotonic() + options.lease_wait_s
    report = None
    while report is None:
        if options.model_config_file is None:  # never while the lock is held: a rollback must not wait for a run
            _wait_for_runs(base, manifest, runs_end_s, terms)
        with open_transaction(base, servers, manifest.model_name, terms, purpose=purpose) as tx:
            tx.approved_by, tx.who = approved_by, who or tx.who
            report = _run(tx, saved_model_dir, check_loads)
    return report


def _wait_for_runs(base: Path, manifest: Manifest, until_s: float, terms: Terms) -> None:
    left_s = round(max(0.0, until_s - time.monotonic()), 1)
    note, cancelled = terms.on_step or (lambda _: None), terms.cancelled
    wait_for_leases(base, new_digest=manifest.model_digest, timeout_s=left_s, note=note, cancelled=cancelled)


def _run(tx: Transaction, saved_model_dir: Path, check_loads: Callable[[Path], None] | None) -> ReleaseReport | None:
    """Release under the lock; None if a batch run uses the version that serves, and nothing was changed."""
    started_s = time.monotonic()
    manifest = read_manifest(saved_model_dir)
    golden = read_golden(saved_model_dir, manifest)
    check_limits(golden, tx.options.gate)
    remove_leftovers(tx.base)
    remove_dead_leases(tx.base)
    recover(tx, wanted_digest=manifest.model_digest)
    previous = look_at_fleet(tx)
    found = find_candidate(tx, manifest, previous)
    if found is not None and serves_something_else(tx, found, golden):
        found = None
    if tx.swap.label is None and leases_in_the_way(tx.base, manifest.model_digest):
        return None  # before anything is copied or asked
    live = _pass_gate(tx, manifest, golden, found, found.previous if found else previous)
    if found is None and previous is not None:
        check_memory(tx, saved_model_dir)
    label = tx.swap.label if tx.before is not None and tx.swap.label in tx.before.labels else None
    with SwapProbe(tx.fleet, tx.answered if previous else (), golden[0], label=label) as probe:
        candidate = found or publish_candidate(tx, saved_model_dir, manifest, previous, check_loads)
        probe.renamed()
        if found:
            tx.begin(
                "loading",
                manifest=manifest,
                version=found.published.version,
                previous_version=found.previous,
                made_visible=found.made_visible,
            )
        evidence = prove_or_withdraw(tx, candidate, golden, live, probe)
    return commit_release(tx, candidate, evidence, elapsed_s=time.monotonic() - started_s)


def _pass_gate(
    tx: Transaction,
    manifest: Manifest,
    golden: Sequence[GoldenImage],
    found: Candidate | None,
    previous: int | None,
) -> LiveAnswers | None:
    """
    Through the gate, unless an earlier release has done so.

    :param found: the candidate, where it was published before. By directory it serves already, so there are no pictures
        of ``previous`` to hold it against any more; by labels there are.
    :return: what the candidate will be held against once it is loaded.
    """
    if found is not None and found.released_before:
        return None
    gone = found is not None and tx.swap.label is None
    live = None if gone else ask_live_version(tx.fleet, golden, previous)
    to_be_approved = tx.options.gate.review and not tx.approved_by and previous is not None
    open_gate(tx, live, golden, model_digest=manifest.model_digest, to_be_approved=to_be_approved)
    return live
