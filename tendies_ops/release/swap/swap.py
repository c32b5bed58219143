"""
The two ways to swap, chosen by what the servers watch.

The version directory (policy ``latest``): the highest number is loaded, then the one before is unloaded. Nothing to do
here but to publish. Or a model config file that the servers poll: the candidate is loaded beside the live version,
tried under the label ``canary``, and only then ``stable`` moves. Clients then ask for ``/labels/stable``; a request
without version or label goes to the highest version that is loaded, which is the candidate.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from tendies_ops.errors import ModelServerError, ReleaseError
from tendies_ops.publish.leases import live_leases
from tendies_ops.publish.lock import BasePathLock
from tendies_ops.publish.version_dirs import list_version_dirs
from tendies_ops.release.record.before import Before
from tendies_ops.release.replicas.fleet import Fleet
from tendies_ops.release.swap.model_config import ModelConfigFile
from tendies_ops.rest_api.status import STABLE

CANARY = "canary"
_LABEL_TIMEOUT_S = 60.0  # some polls of the config file; the real server's own default is never to poll
_POLL_S = 0.1


class SwapContext(Protocol):
    """The parts of a release that a swap needs."""

    base: Path
    fleet: Fleet
    lock: BasePathLock
    before: Before | None  #: what served before the first change

    @property
    def say(self) -> Callable[[str], None]:
        """Report progress."""

    def note(self, words: str) -> None:
        """Report a fact about the release."""

    def stop_if_cancelled(self) -> None:
        """Raise ``StoppedError`` if the release was asked to stop."""


class Swap:
    """
    Let the servers swap by themselves, as they watch the directory: no step of a release has anything to do here.

    A way of its own overrides the steps, which are called in this order.
    """

    label: str | None = None  #: what clients ask for; None: they name nothing
    config_file: str = ""

    def configured_version(self, model_base_path: Path) -> int | None:
        """Return the version that the servers' configuration puts into service; None: it names none."""
        return None

    def prepare(self, tx: SwapContext, previous: int | None) -> None:
        """Get ready, before the candidate becomes visible."""

    def load(self, tx: SwapContext, version: int, previous: int | None) -> None:
        """Have the servers load ``version``."""

    def try_out(self, tx: SwapContext, version: int) -> None:
        """Give the loaded version to those only who know of it."""

    def promote(self, tx: SwapContext, version: int, previous: int | None) -> None:
        """Give the proved version to everybody; ``previous`` stays ready."""

    def roll_back(self, tx: SwapContext, version: int, previous: int | None) -> None:
        """Give everybody ``previous``, for ``version`` failed and is about to be withdrawn."""

    def labels(self) -> Mapping[str, int]:
        """Return the labels as they are now."""
        return {}

    def restore(self, tx: SwapContext) -> bool:
        """
        Load the versions and point the labels as they were before the first change.

        :return: False: nothing had been changed.
        """
        return False


class LabelSwap(Swap):
    """Swap by a model config file that the servers poll."""

    label = STABLE

    def __init__(self, path: Path, model_name: str) -> None:
        self.config_file = str(path)
        self._config = ModelConfigFile(path, model_name)

    def configured_version(self, model_base_path: Path) -> int | None:
        """Return the version that ``stable`` points to, if it has a directory."""
        stable = self._config.read().labels.get(STABLE)
        there = {child.version for child in list_version_dirs(model_base_path)}
        return stable if stable in there else None

    def prepare(self, tx: SwapContext, previous: int | None) -> None:
        """
        Pin what serves now, so that publishing alone changes nothing.

        :raises UsageError: the file has no entry for the model.
        """
        entry = self._config.read()
        if Path(entry.base_path) != tx.base:
            tx.note(
                f"The servers know {tx.base} as {entry.base_path}: it must be the same directory."
            )  # a container's mount
        if previous is not None:
            self._write(tx, {previous}, {STABLE: previous})
            self._wait_for_label(tx, STABLE, previous)

    def load(self, tx: SwapContext, version: int, previous: int | None) -> None:
        """Load it beside the live one, and beside what batch runs are using."""
        for lease in live_leases(tx.base):
            tx.note(f"{lease}; it stays loaded beside the new one.")
        if previous is not None or self._config.read().policy == "specific":
            self._write(tx, {version, previous}, {} if previous is None else {STABLE: previous})

    def try_out(self, tx: SwapContext, version: int) -> None:
        """Point ``canary`` to it."""
        entry = self._config.read()
        self._change(tx, versions=entry.versions or [version], labels={**entry.labels, CANARY: version})
        self._wait_for_label(tx, CANARY, version)
        tx.say(f"Version {version} answers under the label {CANARY}")

    def promote(self, tx: SwapContext, version: int, previous: int | None) -> None:
        """Point ``stable`` to it; the one before stays loaded, so that going back needs no loading."""
        self._write(tx, {version, previous}, {STABLE: version})
        self._wait_for_label(tx, STABLE, version)
        tx.say(f"The label {STABLE} points to version {version} on every replica")

    def roll_back(self, tx: SwapContext, version: int, previous: int | None) -> None:
        """Point ``stable`` back, drop ``canary``, unload the candidate, and load what else was loaded before it."""
        if previous is not None:
            there = {child.version for child in list_version_dirs(tx.base)} - {version}
            served = there & set(tx.before.served if tx.before is not None else ())
            self._write(tx, {previous, *served}, {STABLE: previous}, without=version)
            return
        entry = self._config.read()
        if CANARY in entry.labels:  # a label on a version that is gone makes the server refuse the whole file
            labels = {name: at for name, at in entry.labels.items() if name != CANARY and at != version}
            self._change(tx, versions=entry.versions, labels=labels)

    def labels(self) -> Mapping[str, int]:
        """Return the labels of the file."""
        return self._config.read().labels

    def restore(self, tx: SwapContext) -> bool:
        """Restore both, but for directories that are gone."""
        if tx.before is None:
            return False
        there = {child.version for child in list_version_dirs(tx.base)}
        labels = {name: version for name, version in tx.before.labels.items() if version in there}
        wanted = {version for version in (*tx.before.served, *labels.values()) if version in there}
        entry = self._config.read()
        changed = dict(entry.labels) != labels or (entry.policy == "specific" and set(entry.versions) != wanted)
        if changed and wanted:
            self._change(tx, versions=sorted(wanted), labels=labels)
        return changed and bool(wanted)

    def _write(
        self, tx: SwapContext, versions: set[int | None], labels: Mapping[str, int], *, without: int | None = None
    ) -> None:
        """Other labels, and what batch runs are using, stay loaded."""
        there = {child.version for child in list_version_dirs(tx.base)} - {without}
        others = {
            name: version
            for name, version in self._config.read().labels.items()
            if name not in {STABLE, CANARY} and version in there
        }
        leased = {lease.version for lease in live_leases(tx.base)} & there
        wanted = sorted({version for version in versions if version is not None} | set(others.values()) | leased)
        self._change(tx, versions=wanted, labels={**others, **labels})

    def _change(self, tx: SwapContext, *, versions: Sequence[int], labels: Mapping[str, int]) -> None:
        """:raises LockHeldError: another release has taken over; then the labels are its own."""
        tx.lock.check()
        self._config.write(versions=versions, labels=labels)

    def _wait_for_label(self, tx: SwapContext, label: str, version: int) -> None:
        deadline_s = time.monotonic() + _LABEL_TIMEOUT_S
        waiting = tx.fleet.servers
        while True:
            said = tx.fleet.each(lambda server: _version_of_label(tx, server, label), waiting)
            waiting = tuple(server for server, found in said.items() if found != str(version))
            if not waiting:
                return
            if time.monotonic() > deadline_s:
                words = "; ".join(f"{server}: {said[server]}" for server in waiting)
                raise ReleaseError(
                    f"After {_LABEL_TIMEOUT_S:g} s the label {label} does not point to version {version} everywhere: "
                    f"{words}. "
                    "Do the servers poll the file (--model_config_file_poll_wait_seconds=1), and is it this one?"
                )
            tx.stop_if_cancelled()
            time.sleep(_POLL_S)


def make_swap(config_file: Path | str | None, model_name: str) -> Swap:
    """Return the way that a spec or a journal asks for."""
    return LabelSwap(Path(config_file).absolute(), model_name) if config_file else Swap()


def _version_of_label(tx: SwapContext, server: str, label: str) -> str:
    """The version's number, or why it is not known."""
    try:
        return str(tx.fleet.predictors[server].metadata(tx.fleet.model_name, label=label)["model_spec"]["version"])
    except ModelServerError as error:
        return str(error)
    except (KeyError, TypeError):
        return "the answer names no version"
