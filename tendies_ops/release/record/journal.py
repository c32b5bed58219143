"""
The journal of a release or rollback: ``.tendies/journal.json`` in the model base path.

It is written before each step that others can see and removed when the release is over. So if the next holder of the
lock finds a journal, its release was killed, and the journal has the step.
"""

from __future__ import annotations

import json
import threading
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from tendies_ops.errors import ReleaseError, StoppedError
from tendies_ops.files import sync_directory, write_text_atomically
from tendies_ops.publish.history import read_history
from tendies_ops.publish.layout import JOURNAL_NAME, STATE_DIRECTORY, state_directory
from tendies_ops.publish.lock import BasePathLock
from tendies_ops.release.record.before import Before

Phase = Literal["staged", "loading", "available", "proved", "withdrawing", "rolling_back", "restoring"]


@dataclass(frozen=True)
class Journal:
    """One release or rollback under way."""

    phase: Phase
    model_name: str
    model_digest: str
    version: int  #: the candidate, or the version to roll back to
    previous_version: int | None  #: the version in service when it began
    servers: tuple[str, ...]
    started_at: str
    reason: str = ""  #: of the withdrawal
    moved: tuple[tuple[str, str], ...] = ()  #: rollback: name of a version -> its withdrawn name, lowest first
    model_config_file: str = ""  #: empty: the servers watch the directory
    request: str = ""  #: of a rollback; recorded in the history
    #: The release renamed the version into place itself. None: not known, the journal is of an older tendies.
    made_visible: bool | None = None
    before: Before | None = None  #: None: as for ``made_visible``
    checkpoint: str = ""
    checkpoint_step: int | None = None
    approved_by: str = ""
    who: str = ""  #: who asked for it; empty: as for ``made_visible``
    note: str = ""  #: why it was asked for, in that person's words

    @property
    def approval(self) -> str:
        """The approval as a reason for the history; empty: none was needed."""
        return f"approved by {self.approved_by}" if self.approved_by else ""


def write_journal(model_base_path: Path, journal: Journal) -> None:
    """Write the journal to the disk, whole and synced."""
    write_text_atomically(state_directory(model_base_path) / JOURNAL_NAME, json.dumps(asdict(journal), indent=2))


def read_journal(model_base_path: Path) -> Journal | None:
    """
    Return the journal of a killed release, or None.

    :raises ReleaseError: it exists and cannot be read. That never counts as "no journal".
    """
    path = model_base_path / STATE_DIRECTORY / JOURNAL_NAME
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        data["servers"] = tuple(data["servers"])
        data["moved"] = tuple((str(name), str(away)) for name, away in data["moved"])
        if data.get("before") is not None:
            data["before"] = Before.from_json(data["before"])
        journal = _checked(Journal(**data))
    except FileNotFoundError:
        return None
    except (OSError, AttributeError, TypeError, ValueError, KeyError) as error:
        raise ReleaseError(
            f"The journal of a killed release, {path}, cannot be read ({error}). Inspect {model_base_path} with "
            "`tendies versions`, then remove the file and rerun the release."
        ) from error
    if journal.phase not in get_args(Phase):
        raise ReleaseError(
            f"{path} was written by another version of tendies ({journal.phase!r}). Finish the release with that one."
        )
    return journal


def _checked(journal: Journal) -> Journal:
    """
    Check the types of a journal that was read.

    :raises TypeError: a disk or an editor has changed it.
    """
    versions: tuple[object, ...] = (journal.version, journal.previous_version or 1, journal.checkpoint_step or 0)
    texts = (journal.phase, journal.model_name, journal.model_digest, journal.reason, journal.model_config_file)
    more_texts = (journal.checkpoint, journal.approved_by, journal.who, journal.note, journal.request, *journal.servers)
    if not all(isinstance(version, int) for version in versions):
        raise TypeError(f"the versions are {versions}")
    if not all(isinstance(text, str) for text in (*texts, *more_texts)):
        raise TypeError(f"the texts are {texts + more_texts}")
    if journal.made_visible not in (None, True, False):
        raise TypeError(f"made_visible is {journal.made_visible!r}")
    return journal


def made_visible(model_base_path: Path, journal: Journal) -> bool:
    """
    Return True if the release of this journal renamed the version into place itself.

    If a journal of an older tendies lacks it, the version's first line in the history does: a release opens its
    journal before it publishes.
    """
    if journal.made_visible is not None:
        return journal.made_visible
    published = (r.at for r in read_history(model_base_path) if (r.event, r.version) == ("published", journal.version))
    return journal.phase == "staged" or next(published, "") >= journal.started_at


class JournalWriter:
    """
    Own the journal of a base path while its lock is held: each phase is written here before it begins.

    :param cancelled: when set, the release stops between two steps.
    """

    def __init__(self, model_base_path: Path, lock: BasePathLock, cancelled: threading.Event | None = None) -> None:
        self.lock = lock
        self._base = model_base_path
        self._cancelled = cancelled
        self._journal: Journal | None = None

    def adopt(self) -> Journal | None:
        """
        Take over the journal of a release that was killed.

        :return: that journal, or None.
        :raises ReleaseError: it cannot be read.
        """
        self._journal = read_journal(self._base)
        return self._journal

    def begin(self, journal: Journal) -> Journal:
        """
        Open the journal of this release.

        :raises LockHeldError: this process was paused, and another one has taken over the lock.
        """
        self.lock.check()
        write_journal(self._base, journal)
        self._journal = journal
        return journal

    def opened(self) -> Journal:
        """
        Return the journal.

        :raises ReleaseError: no release is under way.
        """
        if self._journal is None:
            raise ReleaseError(f"No release or rollback is under way in {self._base}.")
        return self._journal

    def enter(self, phase: Phase, *, reason: str = "") -> Journal:
        """
        Write the next phase to the journal.

        :raises LockHeldError: as :meth:`begin`: another release continues this one or has withdrawn its version.
        """
        return self.begin(replace(self.opened(), phase=phase, reason=reason or self.opened().reason))

    def close(self) -> None:
        """
        Remove the journal: the release is over.

        :raises LockHeldError: as :meth:`begin`: the journal on the disk may be another release's.
        """
        self.lock.check()
        (self._base / STATE_DIRECTORY / JOURNAL_NAME).unlink(missing_ok=True)
        sync_directory(state_directory(self._base))
        self._journal = None

    def stop_if_cancelled(self) -> None:
        """
        Stop between two steps, but never while versions or labels are being restored.

        :raises StoppedError: the release was asked to stop.
        """
        if self._journal is not None and self._journal.phase in {"withdrawing", "restoring"}:
            return
        if self._cancelled is not None and self._cancelled.is_set():
            raise StoppedError(f"The release or rollback in {self._base} was asked to stop")
