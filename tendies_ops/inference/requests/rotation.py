"""The servers of a run: which one the next request goes to, which are left out, and when to give up on all of them."""

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
    """What came of a look at a server that was left out."""

    replica: Replica
    error: ModelServerError | None


class Rotation:
    """
    All replicas of a run. Every one answers for the same pinned version, or gets no request.

    :param submit: runs a function in another thread, which hands its :class:`Looked` to :meth:`on_look`.
    :param sick_deadline_s: give up when no server has answered for so long.
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
        self.waiting_for = ""  #: the words of the last trouble, while no server has answered since
        self._replicas, self._model_name, self._version = replicas, model_name, version
        self._submit = submit
        self._sick_deadline_s = sick_deadline_s
        self._trouble_since_s: float | None = None  # the first that no answer followed

    @property
    def in_flight(self) -> int:
        """Requests that are with a server."""
        return sum(replica.in_flight for replica in self._replicas)

    @property
    def concurrency(self) -> int:
        """Requests that the servers are given at once."""
        return sum(replica.limit for replica in self._replicas if replica.in_rotation)

    @property
    def best_limit(self) -> int:
        """Requests in flight at the server that takes the most."""
        return max(replica.limit for replica in self._replicas)

    def start_with(self, limit: int) -> None:
        """So many requests in flight at each server at first, or a few more."""
        for replica in self._replicas:
            replica.start_with(limit)

    @property
    def free_places(self) -> int:
        """Requests that the servers could be given now."""
        return max(0, self.concurrency - self.in_flight)

    def choose(self, now_s: float) -> Replica | None:
        """The server in rotation that has the least to do; None while none may be asked."""
        open_ones = [replica for replica in self._replicas if replica.may_send(now_s)]
        return min(open_ones, key=lambda replica: (replica.in_flight, replica.images_answered), default=None)

    def look_around(self, now_s: float) -> None:
        """Look at the servers that are out, when it is time, and at one that is silent while another is not."""
        for replica in self._replicas:
            suspected = replica.is_silent(now_s) and self._has_other(replica, now_s)
            if replica.start_look(now_s, suspected=suspected):
                self._submit(functools.partial(self._look, replica))

    def on_answer(self, replica: Replica, images: int, now_s: float) -> None:
        """A request was answered well."""
        replica.answered(images, now_s)
        self.on_sign_of_life()

    def on_sign_of_life(self) -> None:
        """Some server answered something."""
        self._trouble_since_s = None
        self.waiting_for = ""

    def on_trouble(self, replica: Replica, error: ModelServerError, now_s: float) -> None:
        """
        A request failed, and not for what was in it.

        :raises VersionGoneError: no server has the version any more.
        :raises ServerSickError: none has answered for too long.
        """
        replica.failed(error, now_s)
        self._give_up_if_hopeless(error, now_s)

    def on_silence(self, error: ModelServerError, now_s: float) -> None:
        """
        A request was refused, and it is not known yet for which part of it.

        :raises ServerSickError: nothing has been answered, and no refusal explained, for too long.
        """
        self._give_up_if_hopeless(error, now_s)

    def on_look(self, looked: Looked, now_s: float) -> None:
        """
        A look has ended.

        What a server has been asked that does not even tell its status is asked of another one, if there is one.

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
                f"No server has answered for {silent_s:.0f} s; the last said: {str(error).rstrip('.')}. "
                "No picture is to blame. "
                "What is done is kept; run it again when the server is well."
            ) from error


def describe_replicas(replicas: Sequence[Replica]) -> tuple[dict[str, Any], ...]:
    """Return what each server did, for the report."""
    return tuple(replica.describe() for replica in replicas)
