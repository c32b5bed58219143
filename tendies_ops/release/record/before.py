"""The state before a release or rollback: whatever served then serves again if it fails."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tendies_ops.errors import ModelServerError
from tendies_ops.rest_api.status import VersionStatus


@dataclass(frozen=True)
class Before:
    """The base path, the replicas and the labels before the first change. It is part of the journal."""

    versions: tuple[int, ...]  #: the version directories
    available: Mapping[str, tuple[int, ...]]  #: replica that answered -> versions that were AVAILABLE there
    silent: tuple[str, ...] = ()  #: replicas that did not answer: what they serve is not known
    labels: Mapping[str, int] = field(default_factory=dict)  #: of the model config file

    @property
    def served(self) -> tuple[int, ...]:
        """The versions that were AVAILABLE on a replica, lowest first."""
        return tuple(sorted({version for versions in self.available.values() for version in versions}))

    def may_be_withdrawn(self, version: int) -> bool:
        """
        Return True if a version that was there before can be withdrawn and everything serves as before.

        It must have served nowhere, and another one must have served.
        """
        return not self.silent and bool(self.served) and version not in self.served

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Before:
        """
        Build a Before from the output of ``dataclasses.asdict``.

        :raises (KeyError, TypeError, ValueError): the data is not that output.
        """
        available = {str(server): tuple(map(int, found)) for server, found in data["available"].items()}
        labels = {str(name): int(version) for name, version in data["labels"].items()}
        return cls(tuple(map(int, data["versions"])), available, tuple(map(str, data["silent"])), labels)


NOTHING_SEEN = Before((), {})


def observe(
    statuses: Mapping[str, Mapping[int, VersionStatus] | ModelServerError],
    versions: tuple[int, ...],
    labels: Mapping[str, int],
) -> Before:
    """Build the Before that has to hold again if the release fails."""
    available = {
        server: tuple(version for version, status in answer.items() if status.serves)
        for server, answer in statuses.items()
        if not isinstance(answer, ModelServerError)
    }
    silent = tuple(server for server in statuses if server not in available)
    return Before(versions, available, silent, dict(labels))
