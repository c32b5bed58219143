"""What the steps of one release share."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from tendies_ops.credentials import NO_CREDENTIALS, Credentials
from tendies_ops.errors import LockHeldError, NotNowError, ReleaseError, StoppedError, UsageError
from tendies_ops.publish.history import who_am_i
from tendies_ops.publish.layout import remove_leftovers
from tendies_ops.publish.lock import BasePathLock, lock_base_path
from tendies_ops.release.record.before import Before
from tendies_ops.release.record.journal import Journal, Phase, close_journal, enter_phase, write_journal
from tendies_ops.release.replicas.fleet import Fleet
from tendies_ops.release.swap.swap import Swap, make_swap
from tendies_ops.spec.manifest import Manifest
from tendies_ops.spec.release import ReleaseSpec

Say = Callable[[str], None]


@contextlib.contextmanager
def disk_errors_in_words(model_base_path: Path) -> Iterator[None]:
    """A full disk or a missing permission is a sentence; the journal tells the next run how far this one was."""
    try:
        yield
    except OSError as error:
        raise NotNowError(
            f"{model_base_path} cannot be changed: {error.strerror} ({error.filename}). Mend that and run the same "
            "again: it finishes or undoes what was begun."
        ) from error


@dataclass
class Transaction:
    """One release under way. Whoever has it holds the lock of the base path."""

    base: Path
    fleet: Fleet
    lock: BasePathLock
    options: ReleaseSpec
    say: Say
    cancelled: threading.Event | None = None
    answered: list[str] = field(default_factory=list)  #: replicas that answered before anything was changed
    notes: list[str] = field(default_factory=list)
    journal: Journal | None = None
    swap: Swap = field(default_factory=Swap)
    gate: dict[str, Any] = field(default_factory=dict)  #: candidate against live, for the report
    request: str = ""  #: whose wish a rollback is
    approved_by: str = ""  #: who has looked at the pictures
    who: str = field(default_factory=who_am_i)  #: who asked for the release or rollback
    before: Before | None = None  #: what was found before anything was changed

    def begin(  # noqa: PLR0913  # keyword-only facts of the journal
        self,
        phase: Phase,
        *,
        manifest: Manifest,
        version: int,
        previous_version: int | None,
        reason: str = "",
        moved: tuple[tuple[str, str], ...] = (),
        made_visible: bool = False,
    ) -> None:
        """
        Open the journal, with what was found before the first change.

        A release that goes on with what a killed one has published keeps what that one had found.

        :param made_visible: this release renames the version into place.
        :raises LockHeldError: this process was paused, and somebody else has the lock now.
        """
        self.lock.check()
        started_at = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        killed = self.journal if self.journal is not None and self.journal.version == version else None
        self.before = killed.before if killed is not None and killed.before is not None else self.before
        self.journal = Journal(
            phase,
            self.fleet.model_name,
            manifest.model_digest,
            version,
            previous_version,
            self.fleet.servers,
            started_at,
            reason,
            moved,
            self.swap.config_file,
            self.request,
            made_visible=made_visible,
            before=self.before,
            checkpoint=manifest.source.checkpoint,
            checkpoint_step=manifest.source.step,
            approved_by=self.approved_by,
            who=self.who,
        )
        write_journal(self.base, self.journal)

    def opened(self) -> Journal:
        """
        Return the journal.

        :raises ReleaseError: none was opened.
        """
        if self.journal is None:
            raise ReleaseError(f"Nothing is under way in {self.base}.")
        return self.journal

    def enter(self, phase: Phase, *, reason: str = "") -> None:
        """
        Write the next phase down.

        :raises LockHeldError: as :meth:`begin`: another release goes on with this one's work, or has taken it back.
        """
        if self.journal is not None:
            self.lock.check()
            self.journal = enter_phase(self.base, self.journal, phase, reason=reason)

    def close(self) -> None:
        """
        It is over: remove the journal.

        :raises LockHeldError: as :meth:`begin`: the journal that lies there may be another's.
        """
        self.lock.check()
        close_journal(self.base)

    def note(self, words: str) -> None:
        """Keep it for the report and say it now."""
        self.notes.append(words)
        self.say(words)

    def stop_if_cancelled(self) -> None:
        """
        Between steps. What takes something back is not stopped halfway.

        :raises StoppedError: it was asked to stop.
        """
        if self.journal is not None and self.journal.phase in {"withdrawing", "undoing_rollback"}:
            return
        if self.cancelled is not None and self.cancelled.is_set():
            raise StoppedError(f"The release of {self.fleet.model_name} was asked to stop")


@dataclass(frozen=True)
class Terms:
    """What a release and a rollback are told alike."""

    options: ReleaseSpec
    cancelled: threading.Event | None
    on_step: Say | None
    lock_timeout_s: float  #: how long to wait for another release or publisher
    credentials: Credentials = NO_CREDENTIALS  #: where ``options`` name no file


@contextlib.contextmanager
def open_transaction(
    model_base_path: Path, servers: Sequence[str], model_name: str, terms: Terms, *, purpose: str
) -> Iterator[Transaction]:
    """
    Take the lock of the base path, and be ready to talk to every replica.

    :param purpose: what for, for whoever waits for the lock.
    :raises LockHeldError: somebody else had it all the time.
    :raises UsageError: the model config file lies where this lock does.
    """
    _check_config_file(terms.options.model_config_file, model_base_path)
    options, cancelled, say = terms.options, terms.cancelled, terms.on_step or (lambda _: None)
    with (
        disk_errors_in_words(model_base_path),
        Fleet(servers, model_name, credentials=terms.credentials.with_files(options)) as fleet,
        lock_base_path(model_base_path, purpose=purpose, timeout_s=terms.lock_timeout_s, cancelled=cancelled) as lock,
    ):
        swap = make_swap(options.model_config_file, model_name)
        yield Transaction(model_base_path, fleet, lock, options, say, cancelled, swap=swap)
        _clear_up(model_base_path, lock)


def _clear_up(model_base_path: Path, lock: BasePathLock) -> None:
    """Once more, what a hiccup of the disk kept from being removed. What went through is true without it as well."""
    with contextlib.suppress(LockHeldError, OSError):
        lock.check()  # after a pause it may be another's staging
        remove_leftovers(model_base_path)


def _check_config_file(path: Path | None, model_base_path: Path) -> None:
    """It has a lock of its own beside it, which releases of other models take."""
    if path is not None and path.resolve().parent == model_base_path.resolve():
        raise UsageError(
            f"The model config file {path} lies in the model base path. Put it into a directory of its own: its lock "
            "would be the lock of this release."
        )
