"""Choose the server of the next request, leave out servers in trouble, and give up if none answers."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tendies_ops.client.replica_health import is_silence, look_at
from tendies_ops.errors import ModelServerError, ServerSickError
from tendies_ops.inference.requests.replica import Replica


@dataclass(frozen=True, slots=True)
class Looked:
    """The result of a status request to a server that is left out."""

    replica: Replica
    error: ModelServerError | None


class Rotation:
    """
    All replicas of a run. Only those that serve the pinned version get requests.

    :param submit: runs a function in another thread, which hands its :class:`Looked` to :meth:`on_look`.
    :param sick_deadline_s: give up if no server has answered for this long.
    """

    def __init__(
        self,
        replicas: Sequence[Replica],
        model_name: str,
        version: int,
        *,
        submit: Callable[[Callable[[], Looked]], None],
        sick_deadline_s: float,
    ) -> None:
        self.waiting_for = ""  #: the last error, while no server has answered since
        self._replicas, self._model_name, self._version = replicas, model_name, version
        self._submit = submit
        self._sick_deadline_s = sick_deadline_s
        self._trouble_since_s: float | None = None  # the first that no answer followed

    @property
    def in_flight(self) -> int:
        """The number of requests in flight."""
        return sum(replica.in_flight for replica in self._replicas)

    @property
    def concurrency(self) -> int:
        """The number of requests that the servers get at once."""
        return sum(replica.limit for replica in self._replicas if replica.in_rotation)

    @property
    def best_limit(self) -> int:
        """The number of requests that the fastest server gets at once."""
        return max(replica.limit for replica in self._replicas)

    def start_with(self, limit: int) -> None:
        """Begin with this many requests in flight at each server, or a few more."""
        for replica in self._replicas:
            replica.start_with(limit)

    @property
    def free_places(self) -> int:
        """The number of requests that the servers could get now."""
        return max(0, self.concurrency - self.in_flight)

    def choose(self, now_s: float) -> Replica | None:
        """Return the server in rotation with the fewest requests; None if none may get one."""
        open_ones = [replica for replica in self._replicas if replica.may_send(now_s)]
        return min(open_ones, key=lambda replica: (replica.in_flight, replica.images_answered), default=None)

    def look_around(self, now_s: float) -> None:
        """Ask servers that are out for their status when it is time, and one that is silent while another is not."""
        for replica in self._replicas:
            suspected = replica.is_silent(now_s) and self._has_other(replica, now_s)
            if replica.start_look(now_s, suspected=suspected):
                self._submit(functools.partial(self._look, replica))

    def on_answer(self, replica: Replica, images: int, now_s: float) -> None:
        """Note a good answer."""
        replica.answered(images, now_s)
        self.on_sign_of_life()

    def on_sign_of_life(self) -> None:
        """Note that a server has answered."""
        self._trouble_since_s = None
        self.waiting_for = ""

    def on_trouble(self, replica: Replica, error: ModelServerError, now_s: float) -> None:
        """
        Note a request that failed for no reason of its own.

        :raises VersionGoneError: no server has the version any more.
        :raises ServerSickError: none has answered for too long.
        """
        replica.failed(error, now_s)
        self._give_up_if_hopeless(error, now_s)

    def on_silence(self, error: ModelServerError, now_s: float) -> None:
        """
        Note a refusal whose reason is not known yet.

        :raises ServerSickError: nothing was answered, and no refusal explained, for too long.
        """
        self._give_up_if_hopeless(error, now_s)

    def on_look(self, looked: Looked, now_s: float) -> None:
        """
        Note the result of a status request.

        The requests of a server that does not even report its status go to another one, if there is one.

        :raises VersionGoneError: no server has the version any more.
        :raises ServerSickError: none has answered for too long.
        """
        looked.replica.looked(looked.error, now_s)
        if is_silence(looked.error) and looked.replica.in_flight and self._has_other(looked.replica, now_s):
            looked.replica.client.hang_up("it answered neither this nor a question about its status")
        if looked.error is not None and not any(replica.in_rotation for replica in self._replicas):
            self._give_up_if_hopeless(looked.error, now_s)

    def _has_other(self, replica: Replica, now_s: float) -> bool:
        """Return True if another server is given requests and answers them."""
        others = (other for other in self._replicas if other is not replica)
        return any(other.in_rotation and not other.is_silent(now_s) for other in others)

    def _look(self, replica: Replica) -> Looked:
        return Looked(replica, look_at(replica.client, self._model_name, self._version))

    def _give_up_if_hopeless(self, error: ModelServerError, now_s: float) -> None:
        if all(replica.lacks_version for replica in self._replicas):
            raise error
        self.waiting_for = str(error)
        if self._trouble_since_s is None:
            self._trouble_since_s = now_s
        silent_s = now_s - self._trouble_since_s
        if silent_s > self._sick_deadline_s:
            raise ServerSickError(
                f"No server has answered for {silent_s:.0f} s; the last error: {str(error).rstrip('.')}. "
                "No picture is to blame. "
                "Finished results are kept; rerun when the server responds."
            ) from error


def describe_replicas(replicas: Sequence[Replica]) -> tuple[dict[str, Any], ...]:
    """Return what each server did, for the report."""
    return tuple(replica.describe() for replica in replicas)
