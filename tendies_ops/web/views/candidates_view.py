"""Exports that wait for their release, were released, or were rejected; and what their review found. No FastAPI."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from tendies_ops.errors import PublishError
from tendies_ops.publish.history import HistoryRecord
from tendies_ops.publish.layout import REJECTED_SUFFIX, review_directory
from tendies_ops.spec import MANIFEST_PATH, Manifest, read_manifest
from tendies_ops.web.safety import confine
from tendies_ops.web.sources.known import KnownModel
from tendies_ops.web.views.measures import Measured, measured_pictures

_EXPORTS = ".exports"  #: below the model base path, see ExportSavedModelOperator
_RELEASE_DAG = re.compile(r"tendies_release_.+?[.](?=[a-z_]+__[0-9])")  # Airflow's own ids are ``manual__<time>``
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,250}")


@dataclass(frozen=True)
class Candidate:
    """One export."""

    name: str
    directory: Path

    @property
    def label(self) -> str:
        """Its DAG run without the DAG: what tells one candidate of a model from another."""
        return _RELEASE_DAG.sub("", self.name.removesuffix(REJECTED_SUFFIX))

    @property
    def rejected(self) -> bool:
        """Return whether a person has said no to it."""
        return self.name.endswith(REJECTED_SUFFIX)


_FATES = {"released", "rolled_back", "withdrawn", "rejected", "failed"}


def fate_of(manifest: Manifest | None, history: Sequence[HistoryRecord]) -> HistoryRecord | None:
    """
    Return what became of an export; None: that is not decided yet.

    :param history: newest first. A release of this content counts whenever it was, other events only since the export.
    """
    if manifest is None:
        return None
    of_content = [r for r in history if r.model_digest == manifest.model_digest and r.event in _FATES]
    since = [r for r in of_content if r.at[:19] >= manifest.created_at[:19]]
    return next(iter(since), None) or next((r for r in of_content if r.event == "released"), None)


@dataclass(frozen=True)
class Review:
    """A candidate held against the version that served when it was reviewed."""

    directory: Path
    facts: dict[str, Any]

    @property
    def live_version(self) -> int | None:
        """The version that served; None: a first release, nothing to compare with."""
        version = self.facts.get("live_version")
        return version if isinstance(version, int) else None

    @property
    def pictures(self) -> tuple[Measured, ...]:
        """Return what was measured, the largest difference first."""
        return measured_pictures(self.facts.get("images"))

    def has_live(self, index: int) -> bool:
        """Return whether the live version's answer to a golden picture was kept."""
        return (self.directory / f"live-{index}.png").is_file()

    def live_picture(self, index: int) -> Path:
        """
        Return what the live version answered.

        :raises OutsideError: it was not kept.
        """
        return confine(self.directory, f"live-{index}.png")


def list_candidates(model: KnownModel) -> list[Candidate]:
    """Every whole export of the model, newest first."""
    base_path = model.location.model_base_path
    try:
        found = list((base_path / _EXPORTS).iterdir()) if base_path else []
    except OSError:
        return []
    whole = [path for path in found if _NAME.fullmatch(path.name) and (path / MANIFEST_PATH).is_file()]
    youngest_first = sorted(whole, key=lambda path: path.stat().st_mtime, reverse=True)
    return [Candidate(path.name, path) for path in youngest_first]


def list_undecided(model: KnownModel, history: Sequence[HistoryRecord]) -> list[tuple[Candidate, Manifest]]:
    """Return the exports that may still be released, newest first, with what they were made from."""
    found = [(one, manifest) for one in list_candidates(model) if (manifest := _manifest(one)) is not None]
    return [(one, manifest) for one, manifest in found if not one.rejected and fate_of(manifest, history) is None]


def _manifest(candidate: Candidate) -> Manifest | None:
    try:
        return read_manifest(candidate.directory)
    except PublishError:
        return None


def find_candidate(model: KnownModel, name: str) -> Candidate | None:
    """One export. Its name is looked up among those that are there."""
    return next((candidate for candidate in list_candidates(model) if candidate.name == name), None)


def read_review(model: KnownModel, manifest: Manifest | None) -> Review | None:
    """Return what the review of a candidate found; None: it was not reviewed."""
    base_path = model.location.model_base_path
    if base_path is None or manifest is None:
        return None
    directory = review_directory(base_path, manifest.model_digest)
    try:
        facts = orjson.loads((directory / "review.json").read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return None
    return Review(directory, facts) if isinstance(facts, dict) else None
