"""Two versions of a model side by side. No FastAPI."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tendies_ops.spec import Manifest
from tendies_ops.web.views.models_view import ModelPicture, VersionRow


@dataclass(frozen=True)
class GoldenPair:
    """The same golden picture in both versions, by its place in each manifest."""

    name: str
    index_a: int
    index_b: int
    same_input: bool


@dataclass(frozen=True)
class ChangedLine:
    """One fact that differs."""

    what: str
    a: str
    b: str


@dataclass(frozen=True)
class VersionDifference:
    """The differences between two versions."""

    a: VersionRow
    b: VersionRow
    pairs: tuple[GoldenPair, ...]
    changed: tuple[ChangedLine, ...]

    @property
    def same_content(self) -> bool:
        """Return whether they compute the same, file by file."""
        return bool(
            self.a.manifest and self.b.manifest and self.a.manifest.model_digest == self.b.manifest.model_digest
        )


def compare_versions(view: ModelPicture, a: int | None, b: int | None) -> VersionDifference | None:
    """
    Compare ``a`` with ``b``.

    :param a: absent: the one that serves, else the one before ``b``.
    :param b: absent: the newest that is not ``a``.
    :return: None when there are no two whole versions to compare.
    """
    whole = [row for row in view.versions if row.manifest is not None]
    second = _pick(whole, b) or next((row for row in whole if row.version != (a or view.serving)), None)
    first = _pick(whole, a) or _pick([row for row in whole if row is not second], view.serving)
    if second and not first:
        first = next((row for row in whole if row.version < second.version), None) or next(
            (row for row in whole if row is not second), None
        )
    if first is None or second is None:
        return None
    return compare_rows(first, second)


def compare_rows(a: VersionRow, b: VersionRow) -> VersionDifference:
    """Two that are known already."""
    return VersionDifference(a, b, tuple(_golden_pairs(a, b)), tuple(_changed(a, b)))


def _pick(rows: list[VersionRow], version: int | None) -> VersionRow | None:
    return next((row for row in rows if row.version == version), None)


def _golden_pairs(a: VersionRow, b: VersionRow) -> Iterator[GoldenPair]:
    if a.manifest is None or b.manifest is None:
        return
    places = {golden.name: index for index, golden in enumerate(a.manifest.golden)}
    for index, golden in enumerate(b.manifest.golden):
        if golden.name in places:
            other = a.manifest.golden[places[golden.name]]
            yield GoldenPair(
                golden.name, places[golden.name], index, _digest(a, other.input) == _digest(b, golden.input)
            )


def _digest(row: VersionRow, name: str) -> str | None:
    entry = row.manifest.files.get(name) if row.manifest else None
    return entry.sha256 if entry else None


def _changed(a: VersionRow, b: VersionRow) -> Iterator[ChangedLine]:
    facts_a, facts_b = _facts(a.manifest), _facts(b.manifest)
    for what in sorted(facts_a.keys() | facts_b.keys()):
        if facts_a.get(what) != facts_b.get(what):
            yield ChangedLine(what, facts_a.get(what, "absent"), facts_b.get(what, "absent"))


def _facts(manifest: Manifest | None) -> dict[str, str]:
    if manifest is None:
        return {}
    facts = {
        "checkpoint": manifest.source.checkpoint,
        "checkpoint step": str(manifest.source.step),
        "checkpoint digest": manifest.source.digest.removeprefix("sha256:")[:12],
        "model digest": manifest.model_digest.removeprefix("sha256:")[:12],
        "made": manifest.created_at,
        "files": str(len(manifest.files)),
        "size in bytes": str(sum(entry.size_bytes for entry in manifest.files.values())),
        "parity, worst": f"{max((entry.max_abs for entry in manifest.parity), default=0.0):.4g}",
    }
    facts.update({f"library {name}": version for name, version in manifest.libraries.items()})
    facts.update({f"contract {name}": text for name, text in flatten(manifest.contract.model_dump())})
    facts.update({f"signature {name}": text for name, text in flatten(_signatures(manifest))})
    return facts


def _signatures(manifest: Manifest) -> dict[str, Any]:
    return {name: entry.model_dump() for name, entry in manifest.signatures.items()}


def flatten(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Nested values as ``a.b`` -> text; None is left out."""
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            yield from flatten(value, f"{name}.")
        elif value is not None:
            yield name, " x ".join(map(str, value)) if isinstance(value, tuple | list) else str(value)
