"""
The version of a model that is in service. Decided here and nowhere else, for everything that asks.

Where a server knows the label ``stable`` for the model, it is the version that the label names: a release by labels
moves the label only to what it has proved. Else it is the highest version that every server has AVAILABLE and that no
release is proving or has left unproved. A server reports a candidate as AVAILABLE long before its proof is over, so
that state alone decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from tendies_ops.publish.layout import STATE_DIRECTORY
from tendies_ops.publish.unproved import Unproved, read_unproved
from tendies_ops.publish.version_dirs import list_version_dirs
from tendies_ops.rest_api.status import STABLE, ServedVersions


@dataclass(frozen=True)
class BasePathView:
    """The versions of a model base path at one moment."""

    versions: frozenset[int] | None = None  #: that have a directory; None: the servers' base path is not visible
    unproved: Unproved | None = None

    def without_versions(self) -> BasePathView:
        """Return the view for servers that watch another directory: this one shows nothing of what they have."""
        return replace(self, versions=None)


@dataclass(frozen=True)
class InService:
    """The version in service, and why it is that one; or the reason if there is no such version."""

    version: int | None
    why: str  #: a clause, such as ``the label stable names it``
    settles: bool = False  #: there is no version now, but what is under way brings one within seconds or minutes


def look_at_base_path(model_base_path: Path | str | None) -> BasePathView:
    """
    Read a model base path; return an empty view if there is no path, or it is not there.

    :raises PublishError: a journal is there and cannot be read.
    """
    if model_base_path is None:
        return BasePathView()
    base = Path(model_base_path)
    unproved = read_unproved(base)  # before the directory: what is withdrawn in between has none any more
    versions = frozenset(child.version for child in list_version_dirs(base))
    return BasePathView(versions if versions or (base / STATE_DIRECTORY).is_dir() else None, unproved)


def version_in_service(answers: Iterable[ServedVersions], base: BasePathView, *, label: str = STABLE) -> InService:
    """
    Decide which version is in service.

    :param answers: of the servers that answered, asked for ``label``.
    :param base: read after the servers have answered.
    :param label: decides where a server knows it.
    """
    told = list(answers)
    named = sorted({one.labelled for one in told if one.labelled is not None})
    if named:
        return InService(named[0], _by_label(label, named) + _besides(base.unproved))
    return _by_state(told, base)


def _by_label(label: str, named: list[int]) -> str:
    """While a label is moved, servers disagree for a second. Both versions are proved; the older is loaded on all."""
    if len(named) == 1:
        return f"the label {label} names it"
    others = ", ".join(map(str, named[1:]))
    return f"the label {label} names it on some servers and version {others} on others, and the lowest is used"


def _by_state(told: list[ServedVersions], base: BasePathView) -> InService:
    doubtful = {base.unproved.version} if base.unproved else set()
    proved = [one.serving - doubtful for one in told]
    usable = [versions if base.versions is None else versions & base.versions for versions in proved]
    having = [versions for versions in usable if versions]
    common = frozenset.intersection(*having) if having else frozenset()
    if common:
        return InService(max(common), _why_highest(base))
    return _none_in_service(told, proved, base, differ=bool(having))


def _why_highest(base: BasePathView) -> str:
    why = "it is the highest version that is AVAILABLE" + _besides(base.unproved)
    if base.versions is not None or base.unproved:
        return why
    return (
        f"{why} (the servers' model base path is not visible from here, so a candidate that a release is still proving "
        "cannot be distinguished from a released version)"
    )


def _none_in_service(
    told: list[ServedVersions], proved: list[frozenset[int]], base: BasePathView, *, differ: bool
) -> InService:
    if differ:
        return InService(None, "no version is AVAILABLE on every one of them")
    gone = sorted(frozenset().union(*proved))
    if gone:  # until the servers read their directory again
        numbers = ", ".join(map(str, gone))
        return InService(None, f"version {numbers} is AVAILABLE and has no directory any more", settles=True)
    under_way = base.unproved is not None and not base.unproved.killed
    if base.unproved and any(base.unproved.version in one.serving for one in told):
        return InService(None, f"{base.unproved}, and no other version is AVAILABLE", settles=under_way)
    return InService(None, "no version is AVAILABLE" + _besides(base.unproved), settles=under_way)


def _besides(unproved: Unproved | None) -> str:
    return f"; {unproved}" if unproved else ""
