"""
The versions that can be used, and the requests that use them.

Every request holds the generation of the map that it began with. A change makes a new generation at once, for new
requests, and returns when the last request on the old one has ended, on whatever model. That is how the real server
behaves: a version reports AVAILABLE, and an old one is unloaded, only after every request in flight has been answered.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from tendies_ops.server.graph.servable import Servable
from tendies_ops.server.status_codes import StatusError

Versions = Mapping[int, Servable]


@dataclass
class _Generation:
    models: Mapping[str, Versions]
    users: int = 0
    unused: threading.Event = field(default_factory=threading.Event)


class ServingMap:
    """Model name -> version -> servable."""

    def __init__(self) -> None:
        self._current = _Generation({})
        self._lock = threading.Lock()
        self._change_lock = threading.Lock()

    @contextmanager
    def servable(self, model_name: str, version: int | None) -> Iterator[tuple[int, Servable]]:
        """
        Hold a version for the duration of a request.

        :param version: None for the highest one.
        :raises StatusError: NOT_FOUND, it is not served.
        """
        with self._lock:
            generation = self._current
            generation.users += 1
        try:
            versions = generation.models.get(model_name, {})
            chosen = max(versions, default=None) if version is None else version
            if chosen is None or chosen not in versions:
                wanted = f"Latest({model_name})" if version is None else f"Specific({model_name}, {version})"
                raise StatusError("NOT_FOUND", f"Servable not found for request: {wanted}")
            yield chosen, versions[chosen]
        finally:
            with self._lock:
                generation.users -= 1
                if not generation.users and generation is not self._current:
                    generation.unused.set()

    def available(self, model_name: str) -> set[int]:
        """Return the versions that requests can use."""
        return set(self._current.models.get(model_name, {}))

    def add(self, model_name: str, version: int, servable: Servable) -> None:
        """Let new requests use a version; return when all requests that began before have ended."""
        self._change(model_name, lambda versions: {**versions, version: servable})

    def remove(self, model_name: str, version: int) -> None:
        """Withhold a version from new requests; return when no request uses it any more."""
        self._change(
            model_name,
            lambda versions: {number: servable for number, servable in versions.items() if number != version},
        )

    def _change(self, model_name: str, change: Callable[[Versions], Versions]) -> None:
        with self._change_lock:
            with self._lock:
                old = self._current
                models = {**old.models, model_name: change(old.models.get(model_name, {}))}
                self._current = _Generation(models)
                if not old.users:
                    old.unused.set()
            old.unused.wait()
