"""Decide when a wanted model version serves, and when it never will, for sensor and trigger. No Airflow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from tendies_ops.errors import ModelServerError, PublishError, UsageError
from tendies_ops.in_service import BasePathView, look_at_base_path, version_in_service
from tendies_ops.rest_api.status import ServedVersions, VersionStatus

State = Literal["waiting", "reached", "load_failed"]
#: The answer of one replica, or its error.
Answer = ServedVersions | ModelServerError


@dataclass(frozen=True)
class VersionOutcome:
    """The state of the version on all replicas together."""

    state: State
    words: str  #: a message
    version: int | None = None  #: the version that serves, once reached


@dataclass(frozen=True)
class WantedVersion:
    """
    The version to wait for.

    :param version: this one, AVAILABLE on every replica.
    :param newer_than: or until the version in service is above this one. 0 waits for any version at all.
    :raises UsageError: both or neither is given.
    """

    version: int | None = None
    newer_than: int | None = None

    def __post_init__(self) -> None:
        if (self.version is None) == (self.newer_than is None):
            raise UsageError(
                "Give either the version to wait for or the one that it must be newer than; "
                f"found version={self.version}, newer_than={self.newer_than}."
            )

    def look(self, answers: Mapping[str, Answer], model_base_path: str | None) -> VersionOutcome:
        """
        Decide by the replicas' answers.

        :param answers: REST base URL -> answer or error.
        :param model_base_path: names the version that a release is proving; without it, or if the path is not visible
            from here, only labels show that.
        """
        try:
            return self.decide(answers, look_at_base_path(model_base_path))
        except (PublishError, OSError) as error:
            return VersionOutcome("waiting", str(error))

    def decide(self, answers: Mapping[str, Answer], base: BasePathView) -> VersionOutcome:
        """Decide by the replicas' answers, and the state of the base path after them."""
        if not answers:
            return VersionOutcome("waiting", "there is no replica to ask")
        told = {server: answer for server, answer in answers.items() if isinstance(answer, ServedVersions)}
        silent = {server: str(answer) for server, answer in answers.items() if server not in told}
        outcomes = {server: VersionOutcome("waiting", words) for server, words in silent.items()}
        if self.version is not None:
            outcomes |= {server: _exactly(self.version, answer.statuses) for server, answer in told.items()}
        elif not silent:
            return self._newer(told, base)
        return _together(outcomes)

    def _newer(self, told: Mapping[str, ServedVersions], base: BasePathView) -> VersionOutcome:
        found = version_in_service(told.values(), base)
        if found.version is None:
            return VersionOutcome("waiting", f"no version is in service: {found.why}")
        lacking = ", ".join(server for server, answer in told.items() if found.version not in answer.serving)
        if found.version > (self.newer_than or 0) and not lacking:
            return VersionOutcome("reached", f"version {found.version} is in service: {found.why}", found.version)
        missing = f", but does not serve on {lacking}" if lacking else ""
        return VersionOutcome(
            "waiting",
            f"version {found.version} is in service{missing}, waiting for one above {self.newer_than}: {found.why}",
        )


def _together(outcomes: Mapping[str, VersionOutcome]) -> VersionOutcome:
    """Return the worst outcome: a failed load, then a wait, then success on every replica."""
    states: tuple[State, ...] = ("load_failed", "waiting")
    for state in states:
        words = "; ".join(f"{server}: {found.words}" for server, found in outcomes.items() if found.state == state)
        if words:
            return VersionOutcome(state, words)
    version = next(iter(outcomes.values())).version
    return VersionOutcome("reached", f"version {version} is AVAILABLE on every replica ({len(outcomes)})", version)


def _exactly(version: int, statuses: Mapping[int, VersionStatus]) -> VersionOutcome:
    status = statuses.get(version)
    if status is None:
        return VersionOutcome("waiting", f"knows no version {version} yet")
    if status.failed:
        return VersionOutcome(
            "load_failed", f"could not load version {version}: {status.error_code}: {status.error_message}"
        )
    if status.serves:
        return VersionOutcome("reached", "AVAILABLE", version)
    return VersionOutcome("waiting", f"version {version} is {status.state}")
