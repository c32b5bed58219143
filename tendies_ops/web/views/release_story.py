"""One release as a story: its steps in the order of events, and what became of it. No FastAPI."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from tendies_ops.errors import ReleaseError
from tendies_ops.publish.history import HistoryRecord
from tendies_ops.publish.lock import is_locked
from tendies_ops.release.record.journal import Journal, read_journal
from tendies_ops.web.views.measures import MeasureRow, measure_rows
from tendies_ops.web.views.models_view import ModelPicture, VersionRow
from tendies_ops.web.views.release_view import ReleaseFacts, read_release

_ENDS = ("released", "rolled_back", "withdrawn", "rejected", "failed")
_STEPS = ("checkpoint", "export", "proof", "gate", "decision", "swap")
#: Task of the release DAG at the beginning of a failure's reason -> step that it failed at.
_STEP_OF_TASK = {"export": "export", "review": "gate", "approve": "decision", "release": "swap"}
_APPROVED = re.compile(r"(?:(?P<note>.*); )?approved by (?P<by>[^:]+)(?:: (?P<words>.*))?", re.DOTALL)


@dataclass(frozen=True)
class Story:
    """One release, however it ended."""

    key: str  #: of its address
    record: HistoryRecord | None  #: how it ended; None: it is under way
    began: HistoryRecord | None  #: the line of its publication
    row: VersionRow | None  #: the version, or the rejected export
    facts: ReleaseFacts | None = None
    journal: Journal | None = None  #: of a release that is under way
    killed: bool = False  #: no process works on it any more: the next release or rollback settles it
    measures: tuple[MeasureRow, ...] = ()

    @property
    def state(self) -> str:
        """Return its state, one of the list of states."""
        if self.record is None:
            return "stopped" if self.killed else "running"
        return {"rolled_back": "released"}.get(self.record.event, self.record.event)

    @property
    def version(self) -> int | None:
        """Its version; None: it failed or was rejected before it had one."""
        found = self.record or self.began
        version = found.version if found else self.journal.version if self.journal else 0
        return version or None

    @property
    def who(self) -> str:
        """Return who asked for it."""
        found = self.began or self.record
        return found.who if found else self.journal.who if self.journal else ""

    @property
    def started_at(self) -> str:
        """Return when the version was published, or the release ended if it never was."""
        found = self.began or self.record
        return found.at if found else self.journal.started_at if self.journal else ""

    @property
    def approval(self) -> tuple[str, str] | None:
        """Return who approved it, and their words; None: no one was asked."""
        found = _APPROVED.fullmatch(self.record.reason) if self.record else None
        return (found["by"], found["words"] or "") if found else None

    @property
    def note(self) -> str:
        """Return why it was asked for, in the words of who asked; empty: they gave none."""
        if self.record is None or self.record.event in {"withdrawn", "rejected", "failed"}:
            return self.began.reason if self.began else ""
        found = _APPROVED.fullmatch(self.record.reason)
        return (found["note"] or "") if found else self.record.reason

    @property
    def failure(self) -> str:
        """Return why it did not go through, without the name of the task; empty: it did, or is under way."""
        if self.record is None or self.record.event not in {"withdrawn", "failed", "rejected"}:
            return ""
        task, _, words = self.record.reason.partition(": ")
        return words if self.record.event == "failed" and task in _STEP_OF_TASK else self.record.reason

    @property
    def failed_step(self) -> str:
        """Return the step that stopped it; empty: none did."""
        if not self.failure or self.record is None:
            return ""
        if self.record.event == "rejected":
            return "decision"
        task = self.record.reason.partition(": ")[0]
        return _STEP_OF_TASK.get(task, "swap") if self.record.event == "failed" else "swap"

    def state_of(self, step: str) -> str:
        """Return ``done``, ``failed``, ``rejected``, ``running``, ``stopped`` or ``not reached``."""
        stopped = self.failed_step
        if stopped:
            place = _STEPS.index(step) - _STEPS.index(stopped)
            return "done" if place < 0 else "not reached" if place > 0 else self.state
        return self.state if step == "swap" and self.record is None else "done"


def find_story(view: ModelPicture, key: str) -> Story | None:
    """
    Return one release of a model, with its report.

    :param key: a version, or the time of the end of a release that never had one.
    """
    version = int(key) if key.isdecimal() and len(key) < 19 else 0
    lines = [r for r in view.history if (r.version == version if version else r.at == key and not r.version)]
    story = _story(view, key, lines, under_way(view))
    facts = read_release(view.model.location.model_base_path, version) if story and version else None
    if story is None or facts is None:
        return story
    return replace(story, facts=facts, measures=measure_rows(facts.pictures, view.model.spec.release.gate))


def list_stories(view: ModelPicture, *, limit: int) -> Iterator[Story]:
    """Yield the newest releases of a model, as far as the history knows them, without their reports."""
    journal = under_way(view)
    lines: dict[str, list[HistoryRecord]] = {str(journal.version): []} if journal else {}
    for record in view.history:
        if record.event in (*_ENDS, "published"):
            lines.setdefault(key_of(record), []).append(record)
    found = (_story(view, key, records, journal) for key, records in islice(lines.items(), limit))
    return (story for story in found if story is not None)


def _story(view: ModelPicture, key: str, lines: Sequence[HistoryRecord], journal: Journal | None) -> Story | None:
    """
    Return the story of one release.

    :param lines: of the history, newest first.
    """
    ended = next((r for r in reversed(lines) if r.event in _ENDS), None)  # its release, not a later rollback
    is_under_way = journal is not None and str(journal.version) == key and ended is None
    if ended is None and not is_under_way:
        return None
    began = next((r for r in lines if r.event == "published"), None)
    row = view.row(int(key)) if key.isdecimal() else None
    killed = is_under_way and not is_locked(view.model.location.model_base_path or Path())
    return Story(key, ended, began, row, journal=journal if is_under_way else None, killed=killed)


def key_of(record: HistoryRecord) -> str:
    """Return the address of the release that a line of the history belongs to."""
    return str(record.version) if record.version else record.at


def under_way(view: ModelPicture) -> Journal | None:
    """Return what a release or rollback of the model is doing now, or was doing when it was killed."""
    base_path = view.model.location.model_base_path
    try:
        return read_journal(base_path) if base_path else None
    except ReleaseError:
        return None
