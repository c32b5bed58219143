"""
When a version serves on a replica, when it never will, and when it is too late: decided here and nowhere else.

Model Server's states are START -> LOADING -> AVAILABLE -> UNLOADING -> END (``get_model_status.proto``). Three of its
habits matter (``loader_harness.cc``, ``availability_preserving_policy.cc``): LOADING lasts through all retries, five
minutes by default; a version that failed is in END with an error; entries of earlier versions stay in END for ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from tendies_ops.errors import ModelServerError, ServerUnreachableError, VersionGoneError
from tendies_ops.rest_api.status import VersionStatus, highest_serving

OutcomeKind = Literal["waiting", "serving", "load_failed", "crashed", "silent", "timed_out"]
#: Some polls of a Model Server with its default of one second: only then may it be asked what it watches.
_SOME_POLLS_S = 5.0


@dataclass(frozen=True)
class WaitOutcome:
    """What is known about the version on one replica."""

    kind: OutcomeKind
    words: str  #: for a person; with the server's own words where it said any
    at_s: float  #: seconds since the wait began

    @property
    def final(self) -> bool:
        """Return whether asking again is of no use."""
        return self.kind != "waiting"


class VersionWait:
    """
    Decides about one version on one replica. It sleeps nowhere and asks nobody; the clock is an argument.

    :param started_s: when the wait began, on the clock that all ``now_s`` are read from.
    :param timeout_s: from then until it is too late.
    :param unreachable_grace_s: how long a replica that answered once may be silent before it counts as crashed; None:
        until the deadline. A replica that never answered may be loading its first version: its port is still closed.
    :param highest: it must also be the highest that is AVAILABLE, because requests without a version go to that one.
    """

    def __init__(
        self,
        version: int,
        *,
        started_s: float,
        timeout_s: float,
        unreachable_grace_s: float | None = None,
        highest: bool = True,
    ) -> None:
        self._version = version
        self._highest = highest
        self._started_s = started_s
        self._timeout_s = timeout_s
        self._grace_s = unreachable_grace_s
        self._answered_s: float | None = None
        self._unanswered_s: float | None = None
        self._spoke = False

    def answered_before(self, now_s: float) -> None:
        """The replica is known to have answered before this wait began."""
        self._answered_s = now_s

    def unanswered(self, now_s: float) -> None:
        """The replica did not answer before this wait began either, so it is given no more than the grace."""
        self._unanswered_s = now_s

    def on_statuses(self, statuses: Mapping[int, VersionStatus], *, now_s: float) -> WaitOutcome:
        """The replica told its states."""
        self._answered_s, self._spoke = now_s, True
        status = statuses.get(self._version)
        if status is not None and status.failed:
            return self._outcome("load_failed", f"{status.error_code}: {status.error_message}", now_s)
        if status is not None and status.serves:
            highest = highest_serving(statuses)
            if highest == self._version or not self._highest:
                return self._outcome("serving", "AVAILABLE", now_s)
            return self._waiting(f"AVAILABLE, but version {highest} still answers", now_s)
        return self._waiting(self._describe(statuses, now_s), now_s)

    def on_error(self, error: ModelServerError, *, now_s: float) -> WaitOutcome:
        """The replica did not tell."""
        if isinstance(error, VersionGoneError):  # it answers, and knows no version of this model yet
            self._answered_s = now_s
        self._spoke |= error.http_status is not None
        if isinstance(error, ServerUnreachableError) and self._grace_s is not None:
            if self._answered_s is not None and now_s - self._answered_s >= self._grace_s:
                silent_s = now_s - self._answered_s
                words = f"it answered before and has been gone for {silent_s:.0f} s: {error}"
                return self._outcome("crashed", words, now_s)
            if self._unanswered_s is not None and now_s - self._unanswered_s >= self._grace_s:
                return self._outcome("silent", f"never answered: {error}", now_s)
        return self._waiting(str(error), now_s)

    def _describe(self, statuses: Mapping[int, VersionStatus], now_s: float) -> str:
        status = statuses.get(self._version)
        if status is not None:
            return f"{status.state} {status.error_message}".strip()
        loading = sorted(v for v, other in statuses.items() if other.loading)
        if loading:
            return (
                f"not seen by the server yet, which is still loading version {', '.join(map(str, loading))} "
                "(with the default flags a version that does not load blocks all others for five minutes: "
                "start Model Server with --max_num_load_retries=0 --num_load_threads=2)"
            )
        hint = ": does it watch this model base path?" if now_s - self._started_s >= _SOME_POLLS_S else ""
        return f"not seen by the server yet{hint}"

    def _waiting(self, words: str, now_s: float) -> WaitOutcome:
        if now_s - self._started_s < self._timeout_s:
            return self._outcome("waiting", words, now_s)
        if self._answered_s is None and not self._spoke:
            return self._outcome("silent", f"did not answer within {self._timeout_s:g} s: {words}", now_s)
        return self._outcome("timed_out", f"after {self._timeout_s:g} s: {words}", now_s)

    def _outcome(self, kind: OutcomeKind, words: str, now_s: float) -> WaitOutcome:
        return WaitOutcome(kind, words, max(0.0, now_s - self._started_s))
