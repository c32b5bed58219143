"""
Roll back to an earlier version, in one step and with the same proof as a release.

Model Server serves the highest number, so the versions above are withdrawn by a rename, lowest first: the server then
goes to the wanted version at once and loads none in between. Number and content stay together, nothing is copied, and
what batch runs wrote into their ledgers about the version stays true.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from tendies_ops.credentials import NO_CREDENTIALS, Credentials
from tendies_ops.errors import ReleaseError, UsageError
from tendies_ops.publish.changed import describe_change
from tendies_ops.publish.history import HistoryRecord, read_history, who_am_i
from tendies_ops.publish.layout import ensure_base_path, list_withdrawn, remove_leftovers, withdrawn_path
from tendies_ops.publish.publish_version import is_whole
from tendies_ops.publish.version_dirs import list_version_dirs
from tendies_ops.release.back.recover import recover
from tendies_ops.release.back.roll_back import carry_out_rollback
from tendies_ops.release.checks.preconditions import look_at_fleet
from tendies_ops.release.context import ReleaseContext, Terms, open_context
from tendies_ops.release.list_versions import require_model_name
from tendies_ops.release.record.history_record import record_of_journal
from tendies_ops.release.release_report import ReleaseReport, build_report
from tendies_ops.release.swap.model_config import ModelConfigFile
from tendies_ops.release.withdraw import whole_versions_below
from tendies_ops.rest_api.status import STABLE
from tendies_ops.spec.manifest import read_manifest, verify_files
from tendies_ops.spec.release_spec import ReleaseSpec


def rollback_model(  # noqa: PLR0913  # keyword-only options
    model_base_path: Path,
    servers: Sequence[str],
    *,
    model_name: str | None = None,
    to_version: int | None = None,
    reason: str = "",
    request: str = "",
    who: str = "",
    options: ReleaseSpec | None = None,
    cancelled: threading.Event | None = None,
    on_step: Callable[[str], None] | None = None,
    lock_timeout_s: float = 600.0,
    credentials: Credentials = NO_CREDENTIALS,
) -> ReleaseReport:
    """
    Roll back to an earlier version. If it fails its proof, everything is restored.

    :param to_version: absent: the highest whole version below the one that serves.
    :param reason: recorded in the history.
    :param request: id of the request, such as a task's run. If no version is named and no release or rollback has
        followed this request's own, the same request again only proves the version that serves.
    :param who: who asked for the rollback, for history and report; empty: user and host of this process.
    :param credentials: login and TLS for the replicas if ``options`` name no file of it.
    :raises UsageError: that version does not exist, is not below the one that serves, or was released by labels that
        ``options`` do not name.
    :raises ReleaseError: there is no earlier version, or it does not serve; the message has what serves now.
    """
    if not model_base_path.is_dir():
        raise UsageError(f"There is no model base path {model_base_path}. Nothing was published there yet.")
    base = ensure_base_path(model_base_path)
    name = require_model_name(model_name, base)
    options = options or ReleaseSpec()
    terms = Terms(options, cancelled, on_step, lock_timeout_s, credentials, who or who_am_i(), request=request)
    with open_context(base, servers, name, terms, purpose=f"rollback of {name}") as ctx:
        return _run(ctx, to_version, reason)


def _run(ctx: ReleaseContext, to_version: int | None, reason: str) -> ReleaseReport:
    started_s = time.monotonic()
    remove_leftovers(ctx.base)
    went_back = recover(ctx).went_back
    _require_labels(ctx)
    ctx, current = look_at_fleet(ctx)
    if to_version is None and current is not None and (went_back or _did_already(ctx, current)):
        report = _roll_back_to(ctx, current, current, reason, started_s)
        return replace(
            report, state="rolled_back"
        )  # the version to roll back from was withdrawn by a killed run, or by this one
    target = _choose_target(ctx, current, to_version)
    return _roll_back_to(ctx, target, current, reason, started_s)


def _did_already(ctx: ReleaseContext, current: int) -> bool:
    """Return True if ``current`` serves because of this request, which was repeated."""
    last = _last_change(ctx)
    return bool(ctx.terms.request) and last is not None and (last.version, last.request) == (current, ctx.terms.request)


def _last_change(ctx: ReleaseContext) -> HistoryRecord | None:
    changes = [record for record in read_history(ctx.base) if record.event in {"released", "rolled_back"}]
    return changes[-1] if changes else None


def _require_labels(ctx: ReleaseContext) -> None:
    """
    Refuse to withdraw a version that the label ``stable`` points to.

    :raises UsageError: the servers swap by labels, and the options name no model config file.
    """
    last = _last_change(ctx)
    if ctx.swap is not None or last is None or not last.model_config_file:
        return
    try:
        labels = ModelConfigFile(Path(last.model_config_file), ctx.fleet.model_name).read().labels
    except UsageError:
        return  # the servers do not swap by labels any more
    if STABLE in labels:
        raise UsageError(
            f"Version {last.version} of {ctx.fleet.model_name} was released by the labels in {last.model_config_file}, "
            f"where {STABLE} points to version {labels[STABLE]}. Roll back by labels as well: "
            f"--model-config-file {last.model_config_file}, or `model_config_file` in the spec."
        )


def _choose_target(ctx: ReleaseContext, current: int | None, to_version: int | None) -> int:
    if current is None:
        raise ReleaseError(f"There is no version in {ctx.base} to roll back to.")
    if to_version is None:
        below = whole_versions_below(ctx.base, current)
        found = next((version for version in below if not _change_of(ctx, version)), None)
        if found is None:
            raise ReleaseError(
                f"Version {current} is the only one in {ctx.base} that can serve: there is nothing to roll back to. "
                "Nothing was changed."
            )
        return found
    if to_version == current or (0 < to_version < current and is_whole(ctx.base / str(to_version))):
        return to_version
    raise UsageError(_why_not(ctx, current, to_version))


def _change_of(ctx: ReleaseContext, version: int) -> str:
    return describe_change(ctx.base / str(version), version, read_history(ctx.base))


def _why_not(ctx: ReleaseContext, current: int, to_version: int) -> str:
    choices = f"Versions to roll back to: {', '.join(map(str, whole_versions_below(ctx.base, current))) or 'none'}."
    withdrawn = list_withdrawn(ctx.base).get(to_version)
    if withdrawn is not None:
        return (
            f"Version {to_version} was withdrawn and its number is used up. Its content can be released again under "
            f"a new number: tendies release {withdrawn} --model-base-path {ctx.base}. {choices}"
        )
    if any(child.version == to_version for child in list_version_dirs(ctx.base)):
        where = "is above" if to_version > current else "is damaged, or has no manifest, below"
        return f"Version {to_version} {where} version {current}, which serves. {choices}"
    return f"There is no version {to_version} in {ctx.base}. {choices}"


def _roll_back_to(
    ctx: ReleaseContext, target: int, current: int | None, reason: str, started_s: float
) -> ReleaseReport:
    version_dir = ctx.base / str(target)
    manifest = read_manifest(version_dir)
    verify_files(version_dir, manifest)
    if target != current and (change := _change_of(ctx, target)):
        raise ReleaseError(
            f"Version {target} in {ctx.base} was changed after it was published: {change}. What it would serve now is "
            "not what it served. Nothing was changed. Roll back to another version, or release that content again."
        )
    above = [child for child in list_version_dirs(ctx.base) if child.version > target]
    moved = tuple((child.path.name, withdrawn_path(ctx.base, child.version, "rolled back").name) for child in above)
    journal = ctx.begin("rolling_back", manifest, target, current, moved=moved, reason=reason)
    evidence = carry_out_rollback(ctx)
    return build_report(
        ctx,
        "rolled_back" if moved else "already_serving",
        record_of_journal(journal, "rolled_back", version_dir=version_dir),
        evidence,
        previous_version=current,
        elapsed_s=time.monotonic() - started_s,
    )
