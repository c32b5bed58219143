"""
Going back to an earlier version, in one step and with the same proof as a release.

Model Server serves the highest number, so the versions above are moved away by a rename, lowest first: the server then
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
from tendies_ops.publish.history import HistoryRecord, read_history
from tendies_ops.publish.layout import ensure_base_path, list_withdrawn, remove_leftovers, withdrawn_path
from tendies_ops.publish.publish_version import is_whole
from tendies_ops.publish.version_dirs import list_version_dirs
from tendies_ops.release.back.recover import recover
from tendies_ops.release.back.roll_back import carry_out_rollback
from tendies_ops.release.checks.preconditions import look_at_fleet
from tendies_ops.release.list_versions import find_model_name
from tendies_ops.release.release_report import ReleaseReport, ReplicaReport
from tendies_ops.release.swap.model_config import ModelConfigFile
from tendies_ops.release.transaction import Terms, Transaction, open_transaction
from tendies_ops.release.withdraw import whole_versions_below
from tendies_ops.rest_api.status import STABLE
from tendies_ops.spec.manifest import read_manifest, verify_files
from tendies_ops.spec.release import ReleaseSpec


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
    Roll back to an earlier version. If it does not prove itself, everything is restored as it was.

    :param to_version: absent: the highest whole version under the one that serves.
    :param reason: why; goes into the history.
    :param request: names whoever wants it, such as a task's run. Where no release or rollback has come since this
        request's own, and no version is named, asking again goes no further back and only proves what serves.
    :param who: whoever asked for the rollback, for history and report; empty: user and host of this process.
    :param credentials: login and TLS for the replicas where ``options`` name no file of it.
    :raises UsageError: that version is not there, is not below the one that serves, or was released by labels that
        ``options`` do not name.
    :raises ReleaseError: there is nothing to go back to, or it does not serve; what serves now is said.
    """
    if not model_base_path.is_dir():
        raise UsageError(f"There is no model base path {model_base_path}. Nothing was published there yet.")
    base = ensure_base_path(model_base_path)
    name = model_name or find_model_name(base)
    if name is None:
        raise UsageError(f"Nothing in {base} says what the model is called. Give its name with --model.")
    terms = Terms(options or ReleaseSpec(), cancelled, on_step, lock_timeout_s, credentials)
    with open_transaction(base, servers, name, terms, purpose=f"rollback of {name}") as tx:
        tx.request, tx.who = request, who or tx.who
        return _run(tx, to_version, reason)


def _run(tx: Transaction, to_version: int | None, reason: str) -> ReleaseReport:
    started_s = time.monotonic()
    remove_leftovers(tx.base)
    went_back = recover(tx)
    _require_labels(tx)
    current = look_at_fleet(tx)
    if to_version is None and current is not None and (went_back or _did_already(tx, current)):
        report = _roll_back_to(tx, current, current, reason, started_s)
        return replace(report, state="rolled_back")  # what to go back from is gone: by a killed run, or by this one
    target = _choose_target(tx, current, to_version)
    return _roll_back_to(tx, target, current, reason, started_s)


def _did_already(tx: Transaction, current: int) -> bool:
    """Whether ``current`` serves because of this very request, whose asker has not heard of it and asks again."""
    last = _last_change(tx)
    return bool(tx.request) and last is not None and (last.version, last.request) == (current, tx.request)


def _last_change(tx: Transaction) -> HistoryRecord | None:
    changes = [record for record in read_history(tx.base) if record.event in {"released", "rolled_back"}]
    return changes[-1] if changes else None


def _require_labels(tx: Transaction) -> None:
    """
    A version that the label ``stable`` points to must not be moved away under it.

    :raises UsageError: the servers swap by labels, and this rollback was not told so.
    """
    last = _last_change(tx)
    if tx.swap.label is not None or last is None or not last.model_config_file:
        return
    try:
        labels = ModelConfigFile(Path(last.model_config_file), tx.fleet.model_name).read().labels
    except UsageError:
        return  # they have gone over to the directory way
    if STABLE in labels:
        raise UsageError(
            f"Version {last.version} of {tx.fleet.model_name} was released by the labels in {last.model_config_file}, "
            f"where {STABLE} points to version {labels[STABLE]}. Go back by them as well: --model-config-file "
            f"{last.model_config_file}, or `model_config_file` in the spec."
        )


def _choose_target(tx: Transaction, current: int | None, to_version: int | None) -> int:
    if current is None:
        raise ReleaseError(f"There is no version in {tx.base}, so there is nothing to go back to.")
    if to_version is None:
        below = whole_versions_below(tx.base, current)
        found = next((version for version in below if not _change_of(tx, version)), None)
        if found is None:
            raise ReleaseError(
                f"Version {current} is the only one in {tx.base} that can serve, so there is nothing to go back to. "
                "Nothing was changed."
            )
        return found
    if to_version == current or (0 < to_version < current and is_whole(tx.base / str(to_version))):
        return to_version
    raise UsageError(_why_not(tx, current, to_version))


def _change_of(tx: Transaction, version: int) -> str:
    return describe_change(tx.base / str(version), version, read_history(tx.base))


def _why_not(tx: Transaction, current: int, to_version: int) -> str:
    choices = f"Versions to go back to: {', '.join(map(str, whole_versions_below(tx.base, current))) or 'none'}."
    withdrawn = list_withdrawn(tx.base).get(to_version)
    if withdrawn is not None:
        return (
            f"Version {to_version} was withdrawn and its number is used up. Its content can be released again under "
            f"a new number: tendies release {withdrawn} --model-base-path {tx.base}. {choices}"
        )
    if any(child.version == to_version for child in list_version_dirs(tx.base)):
        where = "is above" if to_version > current else "is damaged, or has no manifest, below"
        return f"Version {to_version} {where} version {current}, which serves. {choices}"
    return f"There is no version {to_version} in {tx.base}. {choices}"


def _roll_back_to(tx: Transaction, target: int, current: int | None, reason: str, started_s: float) -> ReleaseReport:
    version_dir = tx.base / str(target)
    manifest = read_manifest(version_dir)
    verify_files(version_dir, manifest)
    if target != current and (change := _change_of(tx, target)):
        raise ReleaseError(
            f"Version {target} in {tx.base} was changed after it was published: {change}. What it would serve now is "
            "not what it served. Nothing was changed; go back to another version, or release that content again."
        )
    above = [child for child in list_version_dirs(tx.base) if child.version > target]
    moved = tuple((child.path.name, withdrawn_path(tx.base, child.version, "rolled back").name) for child in above)
    tx.begin("rolling_back", manifest=manifest, version=target, previous_version=current, moved=moved, reason=reason)
    outcomes, proofs = carry_out_rollback(tx)
    return ReleaseReport(
        state="rolled_back" if moved else "already_serving",
        model_name=manifest.model_name,
        version=target,
        previous_version=current,
        model_digest=manifest.model_digest,
        checkpoint=manifest.source.checkpoint,
        checkpoint_step=manifest.source.step,
        model_base_path=str(tx.base),
        replicas=tuple(ReplicaReport(p.server, outcomes[p.server].at_s, p.images, p.max_abs) for p in proofs),
        elapsed_s=round(time.monotonic() - started_s, 3),
        notes=tuple(tx.notes),
        who=tx.who,
    )
