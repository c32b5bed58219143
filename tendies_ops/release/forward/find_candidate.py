"""Find or publish the version of a release."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tendies_ops.errors import (
    LockHeldError,
    NotProvedError,
    ProofFailedError,
    ProofInterruptedError,
    TendiesError,
)
from tendies_ops.publish.changed import describe_change, first_record
from tendies_ops.publish.history import read_history, was_released
from tendies_ops.publish.layout import discard
from tendies_ops.publish.publish_version import (
    PublishedVersion,
    find_same_content,
    make_visible,
    prepare_version,
    unused_version,
)
from tendies_ops.publish.version_dirs import list_version_dirs, manifest_or_none
from tendies_ops.release.checks.patience import prove_patiently
from tendies_ops.release.checks.wait_for_runs import wait_for_runs
from tendies_ops.release.context import ReleaseContext
from tendies_ops.release.record.before import Before
from tendies_ops.release.record.journal import Journal, made_visible
from tendies_ops.release.replicas.golden_images import GoldenImage
from tendies_ops.spans import traced
from tendies_ops.spec.manifest import Manifest


@dataclass(frozen=True)
class Candidate:
    """The version that is to be released."""

    published: PublishedVersion
    manifest: Manifest
    previous: int | None
    before: Before  #: what this release, or the killed one that it continues, found before its first change
    released_before: bool  #: the history has a release of it
    made_visible: bool  #: by this release, or by the killed one that it continues
    withdrawable: bool  #: it did not serve before this release, so that withdrawing it leaves everything as it was


def find_candidate(
    ctx: ReleaseContext, manifest: Manifest, previous: int | None, killed: Journal | None
) -> Candidate | None:
    """
    Return the highest version if it has this content already: nothing is copied, and the release continues from there.

    A lower version with the content is of no use: Model Server serves the highest, so the content gets a new number.
    Neither is one whose directory was changed: the servers have in memory what it held when they loaded it.

    :param killed: the journal of a killed release that this one continues. What that one had found still counts.
    """
    _note_changed_versions(ctx, manifest)
    same = find_same_content(ctx.base, manifest)
    plain = [child.version for child in list_version_dirs(ctx.base) if child.is_plain]
    if same is None or same.version != max(plain, default=0):
        return None
    if previous == same.version:
        previous = max((version for version in plain if version < same.version), default=None)
    released_before = was_released(ctx.base, same.version)
    continued = killed if killed is not None and killed.version == same.version else None
    mine = continued is not None and made_visible(ctx.base, continued)
    before = continued.before if continued is not None and continued.before is not None else ctx.before
    withdrawable = not released_before and (mine or before.may_be_withdrawn(same.version))
    ctx.log.say(f"Version {same.version} has this content already; nothing is copied")
    return Candidate(same, manifest, previous, before, released_before, mine, withdrawable)


def _note_changed_versions(ctx: ReleaseContext, manifest: Manifest) -> None:
    """Note each version that serves, or seems to have this content, and whose directory was changed since."""
    history = read_history(ctx.base)
    for child in list_version_dirs(ctx.base):
        there = manifest_or_none(child.path)
        same = there is not None and there.model_digest == manifest.model_digest
        if not child.is_plain or not (same or child.version in ctx.before.served):
            continue
        if change := describe_change(child.path, child.version, history, read_files=True):
            ctx.log.note(
                f"Version {child.version} was changed on the disk after it was published: {change}. A server that has "
                "loaded it serves the content of that time; at its next start it would load the present one."
            )


def serves_something_else(ctx: ReleaseContext, found: Candidate, golden: tuple[GoldenImage, ...]) -> bool:
    """
    Return True if a version without a history record does not answer as its directory promises.

    Its directory was changed after the servers had loaded it, so they have other content in memory.
    """
    version = found.published.version
    if found.withdrawable or version not in ctx.before.served:
        return False
    if first_record(read_history(ctx.base), version) is not None:
        return False
    servers = [server for server, versions in ctx.before.available.items() if version in versions]
    try:
        prove_patiently(ctx, version, golden, servers=servers)
    except (NotProvedError, ProofInterruptedError):
        return False
    except ProofFailedError as error:
        ctx.log.note(
            f"Version {version} does not answer as its directory promises, so that was changed after a server had "
            f"loaded it: {error}. The content gets a new number."
        )
        return True
    return False


@traced("tendies.release.publish")
def publish_candidate(
    ctx: ReleaseContext,
    saved_model_dir: Path,
    manifest: Manifest,
    previous: int | None,
    check_loads: Callable[[Path], None] | None,
) -> Candidate:
    """Stage, check, wait for batch runs, open the journal, and rename."""
    staging = prepare_version(
        saved_model_dir, ctx.base, manifest, check_loads=check_loads, cancelled=ctx.terms.cancelled
    )
    try:
        if ctx.swap is None:  # runs may have begun while it was copied and rehearsed
            wait_for_runs(ctx.base, manifest.model_digest, ctx.options.lease_wait_s, ctx.log, ctx.terms.cancelled)
        version = unused_version(ctx.base, burnt=_seen_by_servers(ctx))
        ctx.begin("staged", manifest, version, previous, made_visible=True)
        ctx.journal.stop_if_cancelled()
        if ctx.swap is not None:
            ctx.swap.prepare(previous)
        why = {"who": ctx.terms.who, "note": ctx.terms.note}
        published = make_visible(staging, ctx.base, version=version, manifest=manifest, lock=ctx.lock, **why)
    except LockHeldError:
        raise  # the process that has the lock now removes the staging directory
    except BaseException:
        if staging.exists():
            _forget(ctx, staging)
        raise
    ctx.log.say(f"Published version {version} in {ctx.base}")
    return Candidate(
        published, manifest, previous, ctx.before, released_before=False, made_visible=True, withdrawable=True
    )


def _forget(ctx: ReleaseContext, staging: Path) -> None:
    """Restore the labels: nothing became visible. If that fails, the journal stays and the next release does it."""
    discard(staging)
    try:
        if ctx.swap is not None:
            ctx.swap.restore(ctx.before)
    except TendiesError as error:
        ctx.log.note(f"The model config file was not restored: {error}")
    else:
        ctx.journal.close()


def _seen_by_servers(ctx: ReleaseContext) -> list[int]:
    """Return the numbers that servers remember: they never load a number again that they failed to load."""
    return [version for answer in ctx.fleet.statuses().values() if isinstance(answer, dict) for version in answer]
