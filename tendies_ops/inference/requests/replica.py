"""One server of a run: its client, its pacer and its health."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any

from tendies_ops.client import ModelServerClient
from tendies_ops.client.replica_health import ReplicaHealth
from tendies_ops.errors import ModelServerError
from tendies_ops.inference.requests.pacer import Pacer

#: Of a server with ``--enable_batching``. Source: TensorFlow, core/kernels/batching_util and the batching session.
_UNEQUAL_ROWS = "equal 0th-dimension size"

log = logging.getLogger(__name__)


@dataclass(eq=False)
class Replica:
    """
    One server of the run. Only its methods change its state.

    Each request that is sent is followed by exactly one of :meth:`answered`, :meth:`failed` and :meth:`returned`.
    """

    client: ModelServerClient
    _pacer: Pacer
    _health: ReplicaHealth = field(default_factory=ReplicaHealth)
    images_answered: int = 0  #: pictures, or parts of pictures
    takes_shared_inputs: bool = True  #: one value for all pictures of a request

    @property
    def in_flight(self) -> int:
        """The number of its requests in flight."""
        return self._pacer.in_flight

    @property
    def limit(self) -> int:
        """The number of requests that it gets at once."""
        return self._pacer.limit

    @property
    def in_rotation(self) -> bool:
        """Return True if it gets requests."""
        return self._health.in_rotation

    @property
    def lacks_version(self) -> bool:
        """Return True if it answers and does not serve the pinned version."""
        return self._health.lacks_version

    def start_with(self, limit: int) -> None:
        """Begin with this many requests at once, or a few more."""
        self._pacer.start_with(limit)

    def may_send(self, now_s: float) -> bool:
        """Return True if it may get another request now."""
        return self.in_rotation and self._pacer.may_send(now_s)

    def is_silent(self, now_s: float) -> bool:
        """Return True if it has not answered for so long that it may hang."""
        return self._health.is_silent(now_s)

    def sent(self, now_s: float) -> None:
        """Note that a request was sent."""
        self._pacer.in_flight += 1
        self._health.on_sent(now_s)

    def answered(self, images: int, now_s: float) -> None:
        """Note a good answer."""
        self.returned(now_s)
        self._pacer.on_answer(images, now_s)
        self._health.on_answer()
        self.images_answered += images

    def failed(self, error: ModelServerError, now_s: float) -> None:
        """Note a request that failed for no reason of its own."""
        self._back(now_s, answered=False)
        self._pacer.on_trouble(now_s)
        self._note_change(lambda: self._health.on_trouble(error, now_s))

    def refuses_shared_inputs(self, error: ModelServerError) -> bool:
        """Return True if a refusal is about an input with fewer rows than others, and send no such request again."""
        if _UNEQUAL_ROWS not in error.server_words:
            return False
        self.takes_shared_inputs = False
        return True

    def returned(self, now_s: float) -> None:
        """Note a request that ended without information about the server."""
        self._back(now_s, answered=True)

    def start_look(self, now_s: float, *, suspected: bool = False) -> bool:
        """
        Return True if it is time for a status request; :meth:`looked` must follow.

        :param suspected: ask even while it gets requests.
        """
        return self._health.start_look(now_s, suspected=suspected)

    def looked(self, error: ModelServerError | None, now_s: float) -> None:
        """
        Note the result of a status request.

        :param error: None: the version is AVAILABLE there.
        """
        self._note_change(lambda: self._health.on_look(error, now_s))

    def describe(self) -> dict[str, Any]:
        """Return its figures for the report."""
        return {
            "server": self.client.base_url,
            "answered": self.images_answered,
            "taken_out": self._health.times_out,
            "trouble": self._health.why,
        }

    def _back(self, now_s: float, *, answered: bool) -> None:
        self._pacer.in_flight -= 1
        self._health.on_back(now_s, in_flight=self._pacer.in_flight, answered=answered)

    def _note_change(self, change: Any) -> None:
        """Change its health, and log if it is left out or used again."""
        before = self.in_rotation
        change()
        if before and not self.in_rotation:
            log.warning("%s is left out and checked again later: %s", self.client.base_url, self._health.why)
        elif self.in_rotation and not before:
            log.info("%s serves the version and gets requests.", self.client.base_url)
