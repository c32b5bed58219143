"""Exports that wait for their release, were released, or were rejected; and what their review found. No FastAPI."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import orjson

from tendies_ops.publish.history import HistoryRecord
from tendies_ops.publish.layout import REJECTED_SUFFIX, review_directory
from tendies_ops.spec import MANIFEST_PATH, Manifest
from tendies_ops.web.safety import confine
from tendies_ops.web.sources.known import KnownModel
from tendies_ops.web.views.measures import Measured, measured_pictures
from tendies_ops.web.views.models_view import ModelPicture, look_at_candidate

_EXPORTS = ".exports"  #: below the model base path, see ExportSavedModelOperator
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,250}")


@dataclass(frozen=True)
class Candidate:
    """One export."""

    name: str
    directory: Path

    @property
    def made_at(self) -> str:
        """Return when it was put in place, ISO 8601 in UTC."""
        return datetime.fromtimestamp(self.directory.stat().st_mtime, timezone.utc).isoformat()

    @property
    def rejected(self) -> bool:
        """Return True if a user has rejected it."""
        return self.name.endswith(REJECTED_SUFFIX)


_FATES = {"released", "rolled_back", "withdrawn", "rejected", "failed"}


def fate_of(candidate: Candidate, manifest: Manifest | None, view: ModelPicture) -> HistoryRecord | None:
    """
    Return what became of an export; None: that is not decided yet.

    Events since the export count, and a version with the same content if it is kept: nothing is left to release then.
    """
    if manifest is None:
        return None
    of_content = [r for r in view.history if r.model_digest == manifest.model_digest and r.event in _FATES]
    since = next((r for r in of_content if r.at[:19] >= candidate.made_at[:19]), None)
    kept = {row.version for row in view.versions if row.path is not None and not row.withdrawn}
    return since or next((r for r in of_content if r.event == "released" and r.version in kept), None)


@dataclass(frozen=True)
class Review:
    """A candidate compared with the version that served when it was reviewed."""

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


def list_undecided(view: ModelPicture) -> list[tuple[Candidate, Manifest]]:
    """Return the exports that may still be released, newest first, with what they were made from."""
    found = ((one, look_at_candidate(one.directory).manifest) for one in list_candidates(view.model))
    return [(one, read) for one, read in found if read and not one.rejected and fate_of(one, read, view) is None]


def find_candidate(model: KnownModel, name: str) -> Candidate | None:
    """Return one export. Its name is looked up among those that are there; a rejected one keeps its address."""
    found = {candidate.name: candidate for candidate in list_candidates(model)}
    return found.get(name) or found.get(name + REJECTED_SUFFIX)


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
