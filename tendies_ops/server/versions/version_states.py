"""The states of all versions that this process has had, as clients see them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from tendies_ops.rest_api.status import State, VersionStatus
from tendies_ops.server.status_codes import StatusError

log = logging.getLogger(__name__)


class VersionStates:
    """Model name -> version -> status. Entries stay for the life of the process, as in the real server."""

    def __init__(self) -> None:
        self._states: dict[str, dict[int, VersionStatus]] = {}
        self._changed = threading.Condition(threading.RLock())

    def set(self, model_name: str, version: int, state: State, error: StatusError | None = None) -> None:
        """Record and log a change."""
        status = VersionStatus(version, state, *((error.code, error.message) if error else ()))
        with self._changed:
            self._states.setdefault(model_name, {})[version] = status
            self._changed.notify_all()
        if error is None:
            log.info("%s version %d: %s", model_name, version, state)
        else:
            log.error("%s version %d: %s, %s", model_name, version, state, error)

    def of_model(self, model_name: str) -> dict[int, VersionStatus]:
        """Return the states of a model's versions, highest version first."""
        with self._changed:
            known = self._states.get(model_name, {})
            return {version: known[version] for version in sorted(known, reverse=True)}

    def highest(self, model_name: str) -> VersionStatus | None:
        """Return the status of the highest version; None if there are no versions."""
        return next(iter(self.of_model(model_name).values()), None)

    def wait_for(self, done: Callable[[], bool], *, timeout_s: float | None = None) -> bool:
        """Wait until ``done``, called after each change, returns True; return False after the timeout."""
        with self._changed:
            return self._changed.wait_for(done, timeout_s)

    def wake(self) -> None:
        """Make every waiting thread call its ``done`` again."""
        with self._changed:
            self._changed.notify_all()
