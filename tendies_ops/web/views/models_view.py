"""The state of a model: its base path and history, joined with what its replicas report. No FastAPI."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tendies_ops.errors import PublishError
from tendies_ops.in_service import BasePathView, InService, look_at_base_path, version_in_service
from tendies_ops.publish.history import HistoryRecord, read_history
from tendies_ops.publish.layout import list_withdrawn
from tendies_ops.publish.version_dirs import list_version_dirs
from tendies_ops.spec import Manifest, read_manifest
from tendies_ops.spec.manifest import ParityEntry
from tendies_ops.web.sources.known import KnownModel
from tendies_ops.web.sources.server_states import ReplicaState


@dataclass(frozen=True)
class VersionRow:
    """One version: its directory, its states on the replicas, and its history."""

    version: int
    path: Path | None  #: None: removed, only the history knows it
    manifest: Manifest | None
    replicas: tuple[ReplicaState, ...]
    history: tuple[HistoryRecord, ...]  #: oldest first
    withdrawn: bool
    problem: str = ""

    @property
    def serving_on(self) -> int:
        """Return how many replicas have it AVAILABLE."""
        return sum(self.version in replica.served.serving for replica in self.replicas)

    @property
    def last_event(self) -> HistoryRecord | None:
        """The newest thing that happened to it."""
        return self.history[-1] if self.history else None

    @property
    def worst_parity(self) -> ParityEntry | None:
        """The golden image on which the export is furthest from its source."""
        entries = self.manifest.parity if self.manifest else ()
        return max(entries, key=lambda entry: entry.max_abs, default=None)

    @property
    def size_bytes(self) -> int:
        """The size of all its files."""
        return sum(entry.size_bytes for entry in self.manifest.files.values()) if self.manifest else 0

    @property
    def reason(self) -> str:
        """Why it was withdrawn, in the words of the release or of the person; empty for a version that is there."""
        taken_back = [r for r in self.history if r.event in {"withdrawn", "rejected"} and r.reason]
        return taken_back[-1].reason if taken_back and (self.withdrawn or self.path is None) else ""


@dataclass(frozen=True)
class ModelPicture:
    """A model as its page shows it."""

    model: KnownModel
    replicas: tuple[ReplicaState, ...]
    versions: tuple[VersionRow, ...]  #: highest first
    history: tuple[HistoryRecord, ...]  #: newest first
    base: BasePathView  #: read after the replicas have answered

    @property
    def in_service(self) -> InService:
        """The version that batches and clients of the label get, or the reason if there is no such version."""
        answers = [replica.served for replica in self.replicas if not replica.problem]
        return version_in_service(answers, self.base) if answers else InService(None, "no replica answers")

    @property
    def serving(self) -> int | None:
        """The version in service on all replicas; None when they disagree, or one does not answer."""
        served = set(self._by_replica)
        return self.in_service.version if len(served) == 1 else None

    @property
    def _by_replica(self) -> tuple[int | None, ...]:
        """The version in service on each replica; None: it has none, or does not answer."""
        return tuple(
            None if replica.problem else version_in_service([replica.served], self.base).version
            for replica in self.replicas
        )

    @property
    def health(self) -> str:
        """
        ``ok``, ``mixed`` (replicas differ), ``partial`` (some are silent), ``unproved`` (only a candidate serves),
        ``down``, ``unreleased`` (nothing to serve yet), ``unknown`` (no replicas).
        """
        if not any(row.path is not None or row.serving_on for row in self.versions):
            return "unreleased"
        if not self.replicas:
            return "unknown"
        served = set(self._by_replica) - {None}
        if not served:
            return "unproved" if any(replica.served.serving for replica in self.replicas) else "down"
        if len(served) > 1:
            return "mixed"
        return "partial" if None in self._by_replica else "ok"

    @property
    def shown(self) -> VersionRow | None:
        """The version that stands for the model: the one in service, else the newest that is whole."""
        served = set(self._by_replica) - {None}
        whole = [row for row in self.versions if row.manifest is not None and not row.withdrawn]
        return next((row for row in whole if row.version in served), whole[0] if whole else None)

    def row(self, version: int) -> VersionRow | None:
        """One version."""
        return next((row for row in self.versions if row.version == version), None)

    @property
    def serve_again_choices(self) -> tuple[VersionRow, ...]:
        """Return whole versions that were withdrawn or rolled back, and can be released again, newest first."""
        return tuple(row for row in self.versions if row.withdrawn and row.manifest is not None)

    @property
    def rollback_choices(self) -> tuple[VersionRow, ...]:
        """Return the versions to roll back to: whole versions below the one that serves, highest first."""
        serving = self.serving
        if serving is None:
            return ()
        return tuple(r for r in self.versions if r.version < serving and r.manifest and not r.withdrawn)


def read_model(model: KnownModel, replicas: Sequence[ReplicaState]) -> ModelPicture:
    """
    Join disk, history and replicas.

    :param replicas: what each of the model's replicas answered.
    """
    base_path = model.location.model_base_path
    history = read_history(base_path) if base_path else []
    directories = {entry.version: entry.path for entry in list_version_dirs(base_path)} if base_path else {}
    withdrawn = list_withdrawn(base_path) if base_path else {}
    reported = {version for replica in replicas for version in replica.served.statuses}
    numbered = {record.version for record in history} - {0}  # a candidate that was rejected never had a number
    numbers = directories.keys() | withdrawn.keys() | reported | numbered
    rows = [
        _version_row(number, directories.get(number), withdrawn.get(number), replicas, history)
        for number in sorted(numbers, reverse=True)
    ]
    return ModelPicture(model, tuple(replicas), tuple(rows), tuple(reversed(history)), look_at_base_path(base_path))


def look_at_candidate(directory: Path) -> VersionRow:
    """Return an export that has no number yet."""
    manifest, problem = _manifest_of(directory)
    return VersionRow(0, directory, manifest, (), (), withdrawn=False, problem=problem)


def _version_row(
    version: int,
    directory: Path | None,
    withdrawn: Path | None,
    replicas: Sequence[ReplicaState],
    history: Sequence[HistoryRecord],
) -> VersionRow:
    path = directory or withdrawn
    manifest, problem = _manifest_of(path)
    return VersionRow(
        version=version,
        path=path,
        manifest=manifest,
        replicas=tuple(replicas),
        history=tuple(record for record in history if record.version == version),
        withdrawn=directory is None and withdrawn is not None,
        problem=problem,
    )


def _manifest_of(path: Path | None) -> tuple[Manifest | None, str]:
    if path is None:
        return None, ""
    try:
        return read_manifest(path), ""
    except PublishError as error:
        return None, str(error)


def contract_lines(manifest: Manifest) -> tuple[tuple[str, str], ...]:
    """Return the contract in a few lines of text: its input and its outputs."""
    given, made = manifest.contract.input, manifest.contract.output
    size = f"{given.size.width} x {given.size.height} ({given.resize})" if given.size else "any size"
    lines = [
        ("Input", f"{given.channels} channels, {given.color_order.upper()}, {given.layout.upper()}, {given.dtype}"),
        ("Input values", f"{given.range.low:g} to {given.range.high:g}"),
        ("Input size", size + (f", padded to a multiple of {given.multiple_of}" if given.multiple_of > 1 else "")),
        ("Largest picture", f"{given.max_megapixels:g} megapixels"),
        ("Output", made.kind + (f" as {made.format.upper()}" if made.kind == "image" else "")),
        ("Output values", f"{made.range.low:g} to {made.range.high:g}, {made.color_order.upper()}"),
    ]
    return tuple(lines)
