"""When a model version is there, when it never will be. No Airflow, no I/O: sensor and trigger both ask this."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from tendies_ops.errors import ModelServerError, UsageError
from tendies_ops.rest_api.status import VersionStatus

State = Literal["waiting", "reached", "load_failed"]
#: What one replica told, or why it did not.
Answer = Mapping[int, VersionStatus] | ModelServerError


@dataclass(frozen=True)
class VersionOutcome:
    """What is known about the version on all replicas together."""

    state: State
    words: str  #: for a person
    version: int | None = None  #: the version that serves, once reached


@dataclass(frozen=True)
class WantedVersion:
    """
    The version that is waited for.

    :param version: this one, AVAILABLE on every replica.
    :param newer_than: or any above this one. 0 waits for any version at all.
    :raises UsageError: both or neither is given.
    """

    version: int | None = None
    newer_than: int | None = None

    def __post_init__(self) -> None:
        if (self.version is None) == (self.newer_than is None):
            raise UsageError(
                "Say either which version to wait for or which it must be newer than; "
                f"found version={self.version}, newer_than={self.newer_than}."
            )

    def decide(self, answers: Mapping[str, Answer]) -> VersionOutcome:
        """
        Every replica was asked.

        :param answers: REST base URL -> what it told.
        """
        outcomes = {server: self._on_one(answer) for server, answer in answers.items()}
        states: tuple[State, ...] = ("load_failed", "waiting")
        for state in states:
            words = "; ".join(f"{server}: {found.words}" for server, found in outcomes.items() if found.state == state)
            if words:
                return VersionOutcome(state, words)
        serving = [outcome.version for outcome in outcomes.values() if outcome.version is not None]
        if not serving:
            return VersionOutcome("waiting", "there is no replica to ask")
        return VersionOutcome(
            "reached", f"version {min(serving)} is AVAILABLE on every replica ({len(serving)})", min(serving)
        )

    def _on_one(self, answer: Answer) -> VersionOutcome:
        if isinstance(answer, ModelServerError):
            return VersionOutcome("waiting", str(answer))
        if self.version is not None:
            return _exactly(self.version, answer)
        newest = max((version for version, status in answer.items() if status.state == "AVAILABLE"), default=0)
        if newest > (self.newer_than or 0):
            return VersionOutcome("reached", "AVAILABLE", newest)
        return VersionOutcome("waiting", f"serves {newest or 'no version'}, waiting for one above {self.newer_than}")


def _exactly(version: int, statuses: Mapping[int, VersionStatus]) -> VersionOutcome:
    status = statuses.get(version)
    if status is None:
        return VersionOutcome("waiting", f"knows no version {version} yet")
    if status.failed:
        return VersionOutcome(
            "load_failed", f"could not load version {version}: {status.error_code}: {status.error_message}"
        )
    if status.state == "AVAILABLE":
        return VersionOutcome("reached", "AVAILABLE", version)
    return VersionOutcome("waiting", f"version {version} is {status.state}")
