"""List the versions in a model base path: where each serves, and its checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from tendies_ops.credentials import NO_CREDENTIALS, Credentials
from tendies_ops.errors import ModelServerError, UsageError
from tendies_ops.in_service import BasePathView, InService, look_at_base_path, version_in_service
from tendies_ops.publish.changed import describe_change, first_record
from tendies_ops.publish.history import HistoryRecord, read_history
from tendies_ops.publish.layout import list_withdrawn
from tendies_ops.publish.unproved import Unproved
from tendies_ops.publish.version_dirs import VersionDir, list_version_dirs, manifest_or_none
from tendies_ops.release.checks.preconditions import Statuses, statuses_of
from tendies_ops.release.replicas.fleet import Fleet
from tendies_ops.rest_api.status import ServedVersions
from tendies_ops.spec.manifest import Manifest


@dataclass(frozen=True)
class VersionEntry:
    """One version, published or withdrawn."""

    version: int
    path: str
    #: ``published``, ``being proved``, ``unproved`` (its release was killed), ``released``, ``withdrawn``, or a problem
    state: str
    model_digest: str = ""
    checkpoint: str = ""
    checkpoint_step: int | None = None
    created_at: str = ""
    reason: str = ""  #: of the withdrawal
    who: str = ""  #: who asked for the last change of its state, by the history; empty: not known
    serving_on: tuple[str, ...] = ()


@dataclass(frozen=True)
class ModelVersions:
    """The versions of one base path."""

    model_name: str | None
    model_base_path: str
    versions: tuple[VersionEntry, ...]
    servers: dict[str, str] = field(default_factory=dict)  #: address -> the versions that it serves, or its error
    in_service: int | None = None  #: None: no version is, or no server was asked
    in_service_reason: str = ""  #: empty: no server was asked

    def summary(self) -> dict[str, Any]:
        """Return JSON for ``--json``."""
        return asdict(self)


def list_versions(
    model_base_path: Path,
    servers: Sequence[str] = (),
    *,
    model_name: str | None = None,
    credentials: Credentials = NO_CREDENTIALS,
) -> ModelVersions:
    """
    List the versions in a base path, and change nothing.

    :param servers: REST base URL of replicas to ask.
    :param model_name: absent: the name in the newest manifest.
    :param credentials: login and TLS for the replicas.
    :raises UsageError: there is no such base path, or servers are given and the model's name is not known.
    """
    if not model_base_path.is_dir():
        raise UsageError(f"There is no model base path {model_base_path}. Nothing was published there yet.")
    children = list_version_dirs(model_base_path)
    name = model_name or find_model_name(model_base_path)
    served = _ask(servers, name, model_base_path, credentials)
    statuses, base = statuses_of(served), look_at_base_path(model_base_path)
    history = read_history(model_base_path)
    names = {record.version: record.who for record in history}
    there = [_entry(child, history, statuses, base.unproved) for child in reversed(children)]
    taken = [_withdrawn(version, path, history) for version, path in list_withdrawn(model_base_path).items()]
    named = [replace(entry, who=names.get(entry.version, "")) for entry in (*there, *taken)]
    entries = sorted(named, key=lambda entry: -entry.version)
    words = {server: _describe(answer) for server, answer in statuses.items()}
    found = _in_service(served, base)
    return ModelVersions(name, str(model_base_path), tuple(entries), words, found.version, found.why)


def _in_service(served: Mapping[str, ServedVersions | ModelServerError], base: BasePathView) -> InService:
    answers = [answer for answer in served.values() if isinstance(answer, ServedVersions)]
    if not answers:
        return InService(None, "no server answers" if served else "")
    return version_in_service(answers, base)


def find_model_name(model_base_path: Path) -> str | None:
    """Return the model's name in the newest manifest or, without one, in the history."""
    children = reversed(list_version_dirs(model_base_path))
    paths = [*(child.path for child in children), *reversed(list(list_withdrawn(model_base_path).values()))]
    manifests = (manifest_or_none(path) for path in paths)
    from_history = (record.model_name for record in reversed(read_history(model_base_path)) if record.model_name)
    return next((m.model_name for m in manifests if m is not None), next(from_history, None))


def require_model_name(given: str | None, model_base_path: Path) -> str:
    """
    Return the name that was given, or :func:`find_model_name`.

    :raises UsageError: nothing names the model.
    """
    if name := given or find_model_name(model_base_path):
        return name
    raise UsageError(f"Nothing in {model_base_path} names the model. Pass --model.")


def _ask(
    servers: Sequence[str], name: str | None, model_base_path: Path, credentials: Credentials
) -> dict[str, ServedVersions | ModelServerError]:
    if not servers:
        return {}
    with Fleet(servers, require_model_name(name, model_base_path), credentials=credentials) as fleet:
        return fleet.served_versions()


def _entry(
    child: VersionDir, history: Sequence[HistoryRecord], statuses: Statuses, unproved: Unproved | None
) -> VersionEntry:
    manifest = manifest_or_none(child.path)
    events = {r.event for r in history if r.version == child.version}
    state = "released" if events & {"released", "rolled_back"} else "published"
    if unproved is not None and child.version == unproved.version:
        state = "unproved: its release was killed" if unproved.killed else "being proved"
    if not child.is_plain:
        state = "odd name: Model Server takes it for a version" if child.is_directory else "a file: it cannot be loaded"
    elif manifest is None:
        state = "no manifest: not made by tendies"
    serving = tuple(server for server, answer in statuses.items() if _serves(answer, child.version))
    entry = VersionEntry(child.version, str(child.path), state, serving_on=serving)
    if change := describe_change(child.path, child.version, history, read_files=bool(serving)):
        return _as_published(replace(entry, state=f"changed on the disk: {change}"), history)
    return _with_manifest(entry, manifest)


def _as_published(entry: VersionEntry, history: Sequence[HistoryRecord]) -> VersionEntry:
    """Fill in what was first published under the number, which servers may have loaded."""
    first = first_record(history, entry.version)
    if first is None:
        return entry
    return replace(
        entry, model_digest=first.model_digest, checkpoint=first.checkpoint, checkpoint_step=first.checkpoint_step
    )


def _withdrawn(version: int, path: Path, history: Sequence[HistoryRecord]) -> VersionEntry:
    reasons = [r.reason for r in history if r.version == version and r.event == "withdrawn"]
    entry = VersionEntry(version, str(path), "withdrawn", reason=reasons[-1] if reasons else "")
    return _with_manifest(entry, manifest_or_none(path))


def _with_manifest(entry: VersionEntry, manifest: Manifest | None) -> VersionEntry:
    if manifest is None:
        return entry
    return replace(
        entry,
        model_digest=manifest.model_digest,
        checkpoint=manifest.source.checkpoint,
        checkpoint_step=manifest.source.step,
        created_at=manifest.created_at,
    )


def _serves(answer: Any, version: int) -> bool:
    return isinstance(answer, dict) and version in answer and answer[version].serves


def _describe(answer: Any) -> str:
    if isinstance(answer, ModelServerError):
        return str(answer)
    states = [
        f"version {s.version} {s.state} {s.error_message}".strip()
        for s in answer.values()
        if s.state != "END" or s.failed
    ]
    return "; ".join(states) or "no version is loaded"
