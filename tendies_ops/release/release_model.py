"""
Release a version: either it serves on every replica and is proved, or the previous version serves.

    staged -> published -> loading -> available -> proved -> committed
                  |            |           |          |
                  +------------+-----------+----------+-> withdrawn, with the reason; the previous version serves again
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from tendies_ops.credentials import NO_CREDENTIALS, Credentials
from tendies_ops.publish.history import who_am_i
from tendies_ops.publish.layout import ensure_base_path, remove_leftovers
from tendies_ops.publish.leases import leases_in_the_way, remove_dead_leases
from tendies_ops.release.back.recover import recover
from tendies_ops.release.checks.gate import Gate, ask_live_version, check_limits
from tendies_ops.release.checks.memory import check_memory
from tendies_ops.release.checks.preconditions import check_promises, look_at_fleet
from tendies_ops.release.checks.probe import SwapProbe
from tendies_ops.release.checks.wait_for_runs import wait_for_runs
from tendies_ops.release.context import ReleaseContext, Terms, open_context
from tendies_ops.release.forward.attempt import prove_or_withdraw
from tendies_ops.release.forward.commit import commit_release
from tendies_ops.release.forward.find_candidate import (
    Candidate,
    find_candidate,
    publish_candidate,
    serves_something_else,
)
from tendies_ops.release.record.log import ReleaseLog
from tendies_ops.release.release_report import ReleaseReport
from tendies_ops.release.replicas.fleet import check_servers
from tendies_ops.release.replicas.golden_images import GoldenImage, read_golden
from tendies_ops.rest_api.status import STABLE
from tendies_ops.spans import traced
from tendies_ops.spec.manifest import Manifest, read_manifest
from tendies_ops.spec.release_spec import ReleaseSpec


def release_model(  # noqa: PLR0913  # keyword-only options
    saved_model_dir: Path,
    model_base_path: Path,
    servers: Sequence[str],
    *,
    options: ReleaseSpec | None = None,
    check_loads: Callable[[Path], None] | None = None,
    approved_by: str = "",
    who: str = "",
    note: str = "",
    cancelled: threading.Event | None = None,
    on_step: Callable[[str], None] | None = None,
    lock_timeout_s: float = 600.0,
    credentials: Credentials = NO_CREDENTIALS,
) -> ReleaseReport:
    """
    Publish ``saved_model_dir`` and prove it on every replica, or withdraw it.

    A killed release is finished or withdrawn first. The same content again is not a new version: it is proved again and
    reported as ``already_serving``.

    :param servers: REST base URL of every replica. Their model has the name in the manifest.
    :param check_loads: loads a SavedModel once, in a process of its own, and raises if it does not load.
    :param approved_by: who has reviewed the pictures, if the gate asks for a review.
    :param who: who asked for the release, for history and report; empty: user and host of this process.
    :param note: why it is released, for the history.
    :param cancelled: when set, a version that is not committed is withdrawn and StoppedError raised.
    :param on_step: gets a sentence at each step.
    :param lock_timeout_s: seconds to wait for another release or publisher.
    :param credentials: login and TLS for the replicas if ``options`` name no file of it.
    :raises ReleaseError: the release failed. The message has the server's error and what serves now.
    :raises PublishError: it could not be published; nothing was changed.
    """
    who, options = who or who_am_i(), options or ReleaseSpec()
    terms = Terms(options, cancelled, on_step, lock_timeout_s, credentials, who, approved_by, note)
    return _release_when_free(saved_model_dir, model_base_path, servers, terms, check_loads)


def _release_when_free(
    saved_model_dir: Path,
    model_base_path: Path,
    servers: Sequence[str],
    terms: Terms,
    check_loads: Callable[[Path], None] | None,
) -> ReleaseReport:
    """Wait for batch runs, and release; again, if another run has begun before this process had the lock."""
    options = terms.options
    check_servers(servers, terms.credentials.with_files(options))
    manifest = read_manifest(saved_model_dir)
    check_promises(saved_model_dir, manifest)
    base = ensure_base_path(model_base_path)
    runs_end_s = time.monotonic() + options.lease_wait_s
    report = None
    while report is None:
        if options.model_config_file is None:  # never while the lock is held: a rollback must not wait for a run
            left_s = round(max(0.0, runs_end_s - time.monotonic()), 1)
            wait_for_runs(base, manifest.model_digest, left_s, ReleaseLog(terms.on_step), terms.cancelled)
        purpose = f"release of {manifest.model_name}"
        with open_context(base, servers, manifest.model_name, terms, purpose=purpose) as ctx:
            report = _release(ctx, saved_model_dir, check_loads)
    return report


def _release(
    ctx: ReleaseContext, saved_model_dir: Path, check_loads: Callable[[Path], None] | None
) -> ReleaseReport | None:
    """Release under the lock; None if a batch run uses the version that serves, and nothing was changed."""
    started_s = time.monotonic()
    manifest = read_manifest(saved_model_dir)
    golden = read_golden(saved_model_dir, manifest)
    check_limits(golden, ctx.options.gate)
    for doubt in manifest.doubts:
        ctx.log.note(f"The export warned: {doubt}")
    remove_leftovers(ctx.base)
    remove_dead_leases(ctx.base)
    killed = recover(ctx, wanted_digest=manifest.model_digest).killed
    ctx, previous = look_at_fleet(ctx)
    found = find_candidate(ctx, manifest, previous, killed)
    if found is not None and serves_something_else(ctx, found, golden):
        found = None
    if ctx.swap is None and leases_in_the_way(ctx.base, manifest.model_digest):
        return None  # before anything is copied or asked
    gate = _pass_gate(ctx, manifest, golden, found, found.previous if found else previous)
    if found is None and previous is not None:
        check_memory(ctx, saved_model_dir)
    with _probe(ctx, golden[0], anything_serves=previous is not None) as probe:
        candidate = found or publish_candidate(ctx, saved_model_dir, manifest, previous, check_loads)
        probe.renamed()
        if found:
            ctx = _continue_with(ctx, found)
        evidence = prove_or_withdraw(ctx, candidate, golden, gate, probe)
    return commit_release(ctx, candidate, gate, evidence, elapsed_s=time.monotonic() - started_s)


def _continue_with(ctx: ReleaseContext, found: Candidate) -> ReleaseContext:
    """Open the journal for a version that is in the base path already."""
    ctx = replace(ctx, before=found.before)
    ctx.begin("loading", found.manifest, found.published.version, found.previous, made_visible=found.made_visible)
    return ctx


def _probe(ctx: ReleaseContext, picture: GoldenImage, *, anything_serves: bool) -> SwapProbe:
    label = STABLE if ctx.swap is not None and STABLE in ctx.before.labels else None
    return SwapProbe(ctx.fleet, ctx.answered if anything_serves else (), picture, label=label)


@traced("tendies.release.gate")
def _pass_gate(
    ctx: ReleaseContext,
    manifest: Manifest,
    golden: Sequence[GoldenImage],
    found: Candidate | None,
    previous: int | None,
) -> Gate:
    """
    Pass the gate, unless an earlier release has done so.

    :param found: the candidate, if it was published before. By directory it serves already, so there are no pictures of
        ``previous`` to compare it with any more; by labels there are.
    :return: the gate, which compares the candidate again once it is loaded.
    """
    if found is not None and found.released_before:
        return Gate(ctx.base, ctx.options.gate, None)
    gone = found is not None and ctx.swap is None
    gate = Gate(ctx.base, ctx.options.gate, None if gone else ask_live_version(ctx.fleet, golden, previous))
    to_be_approved = ctx.options.gate.review and not ctx.terms.approved_by and previous is not None
    gate.open(golden, model_digest=manifest.model_digest, to_be_approved=to_be_approved)
    return gate
