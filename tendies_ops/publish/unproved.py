"""
The version that a release is proving, or was killed while proving: read from the journal, without the lock.

Model Server reports such a version as AVAILABLE like any other, but it is not in service.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tendies_ops.errors import BasePathError, PublishError
from tendies_ops.publish.history import was_released
from tendies_ops.publish.layout import JOURNAL_NAME, STATE_DIRECTORY
from tendies_ops.publish.lock import is_locked

#: Phases of a release before its candidate has passed its proof, or after it has failed it.
_UNPROVED_PHASES = frozenset({"staged", "loading", "available", "withdrawing"})


@dataclass(frozen=True)
class Unproved:
    """A candidate that is not proved."""

    version: int
    killed: bool  #: no process holds the lock: its release was killed

    def __str__(self) -> str:
        if self.killed:
            return f"a release was killed before version {self.version} was proved"
        return f"a release is proving version {self.version}"


def read_unproved(model_base_path: Path) -> Unproved | None:
    """
    Return the candidate of a release that is under way or was killed; None if there is no such release.

    A version that an earlier release has proved, or that served before the release began, does not count: its content
    is released once more, and it stays in service until it is withdrawn.

    :raises BasePathError: the journal cannot be read, so it is not known which version that is.
    :raises PublishError: the same, because it is damaged.
    """
    path = model_base_path / STATE_DIRECTORY / JOURNAL_NAME
    try:
        journal = json.loads(path.read_text(encoding="utf-8"))
        version, phase, served_before = int(journal["version"]), str(journal["phase"]), _served_before(journal)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, TypeError, ValueError, KeyError, AttributeError) as error:
        kind = BasePathError if isinstance(error, OSError) else PublishError
        raise kind(
            f"{path} names the version that a release is proving, and cannot be read ({error}), so it is not known "
            f"which version of {model_base_path} is in service. Make it readable, or ask for a version by its number."
        ) from error
    if phase not in _UNPROVED_PHASES or version in served_before or was_released(model_base_path, version):
        return None
    return Unproved(version, killed=not is_locked(model_base_path))


def _served_before(journal: Mapping[str, Any]) -> set[int]:
    """Return the versions that were AVAILABLE on a replica before the release changed anything."""
    available = (journal.get("before") or {}).get("available", {})
    return {int(version) for versions in available.values() for version in versions}
