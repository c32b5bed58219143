"""The context of one release or rollback, which all of its steps share."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path

from tendies_ops.credentials import NO_CREDENTIALS, Credentials
from tendies_ops.errors import LockHeldError, NotNowError, UsageError
from tendies_ops.publish.history import who_am_i
from tendies_ops.publish.layout import remove_leftovers
from tendies_ops.publish.lock import BasePathLock, lock_base_path
from tendies_ops.release.record.before import NOTHING_SEEN, Before
from tendies_ops.release.record.journal import Journal, JournalWriter, Phase
from tendies_ops.release.record.log import ReleaseLog
from tendies_ops.release.replicas.fleet import Fleet
from tendies_ops.release.swap.swap import LabelSwap
from tendies_ops.spec.manifest import Manifest
from tendies_ops.spec.release_spec import ReleaseSpec


@dataclass(frozen=True)
class Terms:
    """The terms of a release or rollback, and on whose behalf it runs."""

    options: ReleaseSpec = field(default_factory=ReleaseSpec)
    cancelled: threading.Event | None = None
    on_step: Callable[[str], None] | None = None
    lock_timeout_s: float = 600.0  #: how long to wait for another release or publisher
    credentials: Credentials = NO_CREDENTIALS  #: if ``options`` name no file
    who: str = field(default_factory=who_am_i)
    approved_by: str = ""
    note: str = ""  #: why it was asked for, for the history
    request: str = ""  #: of a rollback: the same request again goes no further back


@dataclass(frozen=True)
class ReleaseContext:
    """
    One release or rollback under way, by a process that holds the lock of the base path.

    Nothing here is reassigned. The journal, the log and the labels change, and each is changed by its own object only.
    """

    base: Path
    fleet: Fleet
    terms: Terms
    journal: JournalWriter
    log: ReleaseLog
    swap: LabelSwap | None = None  #: None: the servers swap by themselves, as they watch the directory
    before: Before = NOTHING_SEEN  #: what was found before anything was changed
    answered: tuple[str, ...] = ()  #: replicas that answered then

    @property
    def lock(self) -> BasePathLock:
        """The lock of the base path."""
        return self.journal.lock

    @property
    def options(self) -> ReleaseSpec:
        """The options of the release."""
        return self.terms.options

    def by_config_file(self, path: Path | str | None) -> ReleaseContext:
        """Return the context of a release that swaps by the labels in ``path``; None or empty: by the directory."""
        if not path:
            return replace(self, swap=None)
        return replace(self, swap=LabelSwap(Path(path).absolute(), self.base, self.fleet, self.journal, self.log))

    def begin(  # noqa: PLR0913  # keyword-only facts of the journal
        self,
        phase: Phase,
        manifest: Manifest,
        version: int,
        previous_version: int | None,
        *,
        reason: str = "",
        moved: tuple[tuple[str, str], ...] = (),
        made_visible: bool = False,
    ) -> Journal:
        """
        Open the journal of this release, with what was found before the first change.

        :param manifest: of the version.
        :param made_visible: this release renames the version into place.
        :raises LockHeldError: this process was paused, and another one has taken over the lock.
        """
        journal = Journal(
            phase,
            self.fleet.model_name,
            manifest.model_digest,
            version,
            previous_version,
            self.fleet.servers,
            datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
            reason,
            moved,
            self.swap.config_file if self.swap else "",
            self.terms.request,
            made_visible,
            self.before,
            manifest.source.checkpoint,
            manifest.source.step,
            self.terms.approved_by,
            self.terms.who,
            self.terms.note,
        )
        return self.journal.begin(journal)


@contextlib.contextmanager
def open_context(
    model_base_path: Path, servers: Sequence[str], model_name: str, terms: Terms, *, purpose: str
) -> Iterator[ReleaseContext]:
    """
    Take the lock of the base path and open clients to every replica.

    :param purpose: shown to processes that wait for the lock.
    :raises LockHeldError: another process held the lock until the timeout.
    :raises UsageError: the model config file is in the directory of this lock.
    """
    config_file = terms.options.model_config_file
    _check_config_file(config_file, model_base_path)
    credentials, cancelled = terms.credentials.with_files(terms.options), terms.cancelled
    with (
        disk_errors_explained(model_base_path),
        Fleet(servers, model_name, credentials=credentials) as fleet,
        lock_base_path(model_base_path, purpose=purpose, timeout_s=terms.lock_timeout_s, cancelled=cancelled) as lock,
    ):
        journal = JournalWriter(model_base_path, lock, cancelled)
        yield ReleaseContext(model_base_path, fleet, terms, journal, ReleaseLog(terms.on_step)).by_config_file(
            config_file
        )
        with contextlib.suppress(LockHeldError, OSError):  # the release is valid either way
            lock.check()  # after a pause the leftovers may be another publisher's staging
            remove_leftovers(model_base_path)


@contextlib.contextmanager
def disk_errors_explained(model_base_path: Path) -> Iterator[None]:
    """
    Raise NotNowError for a full disk or a missing permission: the journal lets the next release continue.

    :raises NotNowError: the base path cannot be written.
    """
    try:
        yield
    except OSError as error:
        raise NotNowError(
            f"Cannot write to {model_base_path}: {error.strerror} ({error.filename}). Fix that and rerun; the release "
            "is finished or undone then."
        ) from error


def _check_config_file(path: Path | None, model_base_path: Path) -> None:
    """
    Check the place of the model config file.

    :raises UsageError: the file's own lock, which releases of other models take, would be this release's lock.
    """
    if path is not None and path.resolve().parent == model_base_path.resolve():
        raise UsageError(
            f"The model config file {path} is in the model base path. Put it into a directory of its own: its lock "
            "would be the lock of this release."
        )
