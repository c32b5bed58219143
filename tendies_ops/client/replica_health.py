"""
Decision whether one of several Model Servers is given work, or left out until it is healthy again.

A server that reports overload is only slowed down. One that does not answer at all, that has lost the
version, or that keeps failing, is taken out at once: its requests go to the others. From then on it costs no one
a picture; it is checked now and then with a status request, and is given work again when the version is AVAILABLE.
One that has not answered for some seconds is checked as well, long before its requests time out.
"""

from __future__ import annotations

from dataclasses import dataclass

from tendies_ops.client.rest_client import ModelServerClient
from tendies_ops.errors import ModelServerError, ServerSickError, ServerUnreachableError, VersionGoneError

_FAILURES_IN_A_ROW = 5  # with answers: a picture that no server takes must not take the servers out one by one
_FIRST_LOOK_S = 0.2
_LONGEST_LOOK_S = 10.0
_SHORTEST_SILENCE_S = 3.0
_SILENCES = 2  # times the longest after which it has answered


@dataclass
class ReplicaHealth:
    """Decides for one server. The clock is an argument."""

    in_rotation: bool = True
    lacks_version: bool = False  #: it answers, and does not serve the version that is wanted
    why: str = ""  #: the words of its last trouble, while it is out
    times_out: int = 0
    _waits_since_s: float | None = None  # when it was last heard of, while it has requests
    _longest_silence_s: float = 0.0  # after which it has answered
    _failures: int = 0  #: in a row
    _pause_s: float = 0.0
    _look_at_s: float = 0.0
    _looking: bool = False

    def is_silent(self, now_s: float) -> bool:
        """Return True if it has answered nothing for so long that it may hang."""
        patience_s = max(_SHORTEST_SILENCE_S, _SILENCES * self._longest_silence_s)
        return self._waits_since_s is not None and now_s - self._waits_since_s > patience_s

    def on_sent(self, now_s: float) -> None:
        """Note that a request has gone to it."""
        if self._waits_since_s is None:
            self._waits_since_s = now_s

    def on_back(self, now_s: float, *, in_flight: int, answered: bool) -> None:
        """Note that a request is back, and how many are still with it."""
        if answered and self._waits_since_s is not None:
            self._longest_silence_s = max(self._longest_silence_s, now_s - self._waits_since_s)
        self._waits_since_s = now_s if in_flight else None

    def on_answer(self) -> None:
        """Record that it answered a request for predictions."""
        self._failures = 0
        self._pause_s = 0.0

    def on_trouble(self, error: ModelServerError, now_s: float) -> None:
        """Record that a request to it failed, and not because of its content."""
        self._failures += 1
        if self.in_rotation and not self._is_bearable(error):
            self.in_rotation = False
            self.times_out += 1
            self._wait(now_s)
        if not self.in_rotation:
            self.lacks_version = isinstance(error, VersionGoneError)
            self.why = str(error)

    def start_look(self, now_s: float, *, suspected: bool = False) -> bool:
        """
        Return True if it is time to check it again; then :meth:`on_look` must follow.

        :param suspected: check it while it is given work, too.
        """
        if (self.in_rotation and not suspected) or self._looking or now_s < self._look_at_s:
            return False
        self._looking = True
        return True

    def on_look(self, error: ModelServerError | None, now_s: float) -> None:
        """
        Record the end of a check.

        :param error: None: the version is AVAILABLE there.
        """
        self._looking = False
        if self.in_rotation and self._waits_since_s is not None and not is_silence(error):
            self._waits_since_s = now_s
        if error is not None:
            self.on_trouble(error, now_s)
            self._wait(now_s)
            return
        self.in_rotation, self.lacks_version, self.why = True, False, ""
        self._failures = 0

    def _is_bearable(self, error: ModelServerError) -> bool:
        if isinstance(error, VersionGoneError | ServerUnreachableError):
            return False
        return not is_silence(error) and self._failures < _FAILURES_IN_A_ROW

    def _wait(self, now_s: float) -> None:
        """Longer each time, until it has answered a request well."""
        self._pause_s = min(_LONGEST_LOOK_S, max(_FIRST_LOOK_S, 2 * self._pause_s))
        self._look_at_s = now_s + self._pause_s


def is_silence(error: ModelServerError | None) -> bool:
    """Return True if the server took the question and did not answer in time."""
    return isinstance(error, ServerSickError) and error.http_status is None


def look_at(client: ModelServerClient, model_name: str, version: int) -> ModelServerError | None:
    """
    Ask a server whether it serves a version.

    :return: None if it does; else what is wrong. Never raises an error of the server's.
    """
    try:
        status = client.version_statuses(model_name).get(version)
    except ModelServerError as error:
        return error
    if status is not None and status.serves:
        return None
    state = f"version {version} is {status.state} there" if status else f"version {version} is not there"
    return VersionGoneError(f"{client.base_url} does not serve {model_name}: {state}.")
