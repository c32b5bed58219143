"""
Swap versions by a model config file that the servers poll, if a release is given one.

The candidate is loaded next to the live version, tried under the label ``canary``, and only then ``stable`` moves.
Clients ask for ``/labels/stable``; a request without version or label goes to the highest version that is loaded,
which is the candidate. Without such a file the servers swap by themselves: they load the highest number in the
directory, then unload the one before, and there is nothing to do here.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tendies_ops.errors import ModelServerError, ReleaseError
from tendies_ops.publish.leases import live_leases
from tendies_ops.publish.version_dirs import list_version_dirs
from tendies_ops.release.record.before import Before
from tendies_ops.release.record.journal import JournalWriter
from tendies_ops.release.record.log import ReleaseLog
from tendies_ops.release.replicas.fleet import Fleet
from tendies_ops.release.swap.model_config import ModelConfigFile, ModelEntry
from tendies_ops.rest_api.status import STABLE

CANARY = "canary"
_LABEL_TIMEOUT_S = 60.0  # some polls of the config file; the real server's own default is never to poll
_POLL_S = 0.1


@dataclass(frozen=True)
class LabelSwap:
    """
    The steps of a swap by labels, in the order of the methods.

    :param path: model config file of the servers.
    """

    path: Path
    base: Path
    fleet: Fleet
    journal: JournalWriter
    log: ReleaseLog

    @property
    def config_file(self) -> str:
        """The path of the model config file, for the journal."""
        return str(self.path)

    def labels(self) -> Mapping[str, int]:
        """Return the labels in the file."""
        return self._read().labels

    def prepare(self, previous: int | None) -> None:
        """
        Pin the version that serves now, so that publishing alone changes nothing.

        :raises UsageError: the file has no entry for the model.
        """
        entry = self._read()
        if Path(entry.base_path) != self.base:  # the mount of a container
            self.log.note(f"The servers know {self.base} as {entry.base_path}: it must be the same directory.")
        if previous is not None:
            self._write({previous}, {STABLE: previous})
            self._wait_for_label(STABLE, previous)

    def load(self, version: int, previous: int | None) -> None:
        """Load ``version`` next to the live one and to those that batch runs are using."""
        for lease in live_leases(self.base):
            self.log.note(f"{lease}; it stays loaded next to the new one.")
        if previous is not None or self._read().policy == "specific":
            self._write({version, previous}, {} if previous is None else {STABLE: previous})

    def try_out(self, version: int) -> None:
        """Point ``canary`` to ``version``."""
        entry = self._read()
        self._change(versions=entry.versions or [version], labels={**entry.labels, CANARY: version})
        self._wait_for_label(CANARY, version)
        self.log.say(f"Version {version} answers under the label {CANARY}")

    def promote(self, version: int, previous: int | None) -> None:
        """Point ``stable`` to ``version``; ``previous`` stays loaded, so that a rollback need not load it."""
        self._write({version, previous}, {STABLE: version})
        self._wait_for_label(STABLE, version)
        self.log.say(f"The label {STABLE} points to version {version} on every replica")

    def withdraw(self, version: int, previous: int | None, before: Before) -> None:
        """Point ``stable`` to ``previous``, drop ``canary``, unload ``version``, and load what was loaded before."""
        if previous is not None:
            there = {child.version for child in list_version_dirs(self.base)} - {version}
            self._write({previous, *(there & set(before.served))}, {STABLE: previous}, without=version)
            return
        entry = self._read()
        if CANARY in entry.labels:  # a label on a version that is gone makes the server refuse the whole file
            labels = {name: at for name, at in entry.labels.items() if name != CANARY and at != version}
            self._change(versions=entry.versions, labels=labels)

    def restore(self, before: Before) -> bool:
        """
        Load the versions and point the labels as they were before the first change, except for removed directories.

        :return: False if nothing had been changed.
        """
        there = {child.version for child in list_version_dirs(self.base)}
        labels = {name: version for name, version in before.labels.items() if version in there}
        wanted = {version for version in (*before.served, *labels.values()) if version in there}
        entry = self._read()
        changed = dict(entry.labels) != labels or (entry.policy == "specific" and set(entry.versions) != wanted)
        if changed and wanted:
            self._change(versions=sorted(wanted), labels=labels)
        return changed and bool(wanted)

    def _write(self, versions: set[int | None], labels: Mapping[str, int], *, without: int | None = None) -> None:
        """Write versions and labels; versions of other labels, and those that batch runs are using, stay loaded."""
        there = {child.version for child in list_version_dirs(self.base)} - {without}
        others = {
            name: version
            for name, version in self._read().labels.items()
            if name not in {STABLE, CANARY} and version in there
        }
        leased = {lease.version for lease in live_leases(self.base)} & there
        wanted = sorted({version for version in versions if version is not None} | set(others.values()) | leased)
        self._change(versions=wanted, labels={**others, **labels})

    def _change(self, *, versions: Sequence[int], labels: Mapping[str, int]) -> None:
        """
        Write the model config file.

        :raises LockHeldError: another release has taken over; the labels are its own now.
        """
        self.journal.lock.check()
        ModelConfigFile(self.path, self.fleet.model_name).write(versions=versions, labels=labels)

    def _read(self) -> ModelEntry:
        return ModelConfigFile(self.path, self.fleet.model_name).read()

    def _wait_for_label(self, label: str, version: int) -> None:
        deadline_s = time.monotonic() + _LABEL_TIMEOUT_S
        waiting = self.fleet.servers
        while True:
            found = self.fleet.each(lambda server: _version_of_label(self.fleet, server, label), waiting)
            waiting = tuple(server for server, at in found.items() if at != str(version))
            if not waiting:
                return
            if time.monotonic() > deadline_s:
                where = "; ".join(f"{server}: {found[server]}" for server in waiting)
                raise ReleaseError(
                    f"After {_LABEL_TIMEOUT_S:g} s the label {label} does not point to version {version} everywhere: "
                    f"{where}. Do the servers poll the file (--model_config_file_poll_wait_seconds=1), and is it this "
                    "one?"
                )
            self.journal.stop_if_cancelled()
            time.sleep(_POLL_S)


def configured_version(config_file: Path | None, model_name: str, model_base_path: Path) -> int | None:
    """Return the version that ``stable`` points to in the servers' model config file, if it has a directory."""
    if config_file is None:
        return None
    stable = ModelConfigFile(config_file.absolute(), model_name).read().labels.get(STABLE)
    return stable if stable in {child.version for child in list_version_dirs(model_base_path)} else None


def _version_of_label(fleet: Fleet, server: str, label: str) -> str:
    """Return the number of the version that a server's label points to, or why it is not known."""
    try:
        return str(fleet.predictors[server].metadata(fleet.model_name, label=label)["model_spec"]["version"])
    except ModelServerError as error:
        return str(error)
    except (KeyError, TypeError):
        return "the answer names no version"
