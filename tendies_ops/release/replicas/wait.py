"""
Decide when a version serves on a replica, when it never will, and when the wait is over.

Model Server's states are START -> LOADING -> AVAILABLE -> UNLOADING -> END (``get_model_status.proto``). Three of its
properties matter (``loader_harness.cc``, ``availability_preserving_policy.cc``): LOADING lasts through all retries,
five minutes by default; a version that failed is in END with an error; entries of earlier versions stay in END forever.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from tendies_ops.errors import ModelServerError, ServerUnreachableError, VersionGoneError
from tendies_ops.rest_api.status import VersionStatus, highest_serving

OutcomeKind = Literal["waiting", "serving", "load_failed", "crashed", "silent", "timed_out"]
#: Some polls of a Model Server with its default of one second, before the hint that it watches another directory.
_SOME_POLLS_S = 5.0


@dataclass(frozen=True)
class WaitOutcome:
    """The state of the wait on one replica."""

    kind: OutcomeKind
    words: str  #: a message, with the server's error if it reported one
    at_s: float  #: seconds since the wait began

    @property
    def final(self) -> bool:
        """Return True if the wait is over."""
        return self.kind != "waiting"


class VersionWait:
    """
    Decide about one version on one replica. It does not sleep and sends nothing; the clock is an argument.

    :param started_s: when the wait began, on the clock of every ``now_s``.
    :param timeout_s: seconds from then until it has failed.
    :param unreachable_grace_s: seconds without an answer after which a replica that has answered counts as crashed;
        None: the timeout. A replica that never answered may be loading its first version: its port is closed.
    :param highest: it must also be the highest that is AVAILABLE, because requests without a version go to that one.
    :param answered_before: the replica answered before this wait began; False: it did not; None: not known.
    """

    def __init__(
        self,
        version: int,
        *,
        started_s: float,
        timeout_s: float,
        unreachable_grace_s: float | None = None,
        highest: bool = True,
        answered_before: bool | None = None,
    ) -> None:
        self._version = version
        self._highest = highest
        self._started_s = started_s
        self._timeout_s = timeout_s
        self._grace_s = unreachable_grace_s
        self._answered_s = started_s if answered_before else None
        self._unanswered_s = started_s if answered_before is False else None
        self._spoke = False

    def on_statuses(self, statuses: Mapping[int, VersionStatus], *, now_s: float) -> WaitOutcome:
        """Decide by the states that the replica reported."""
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
        """Decide by an error of the replica."""
        if isinstance(error, VersionGoneError):  # it answers that it knows no version of this model yet
            self._answered_s = now_s
        self._spoke |= error.http_status is not None
        if isinstance(error, ServerUnreachableError) and self._grace_s is not None:
            if self._answered_s is not None and now_s - self._answered_s >= self._grace_s:
                silent_s = now_s - self._answered_s
                words = f"it answered before and has been unreachable for {silent_s:.0f} s: {error}"
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
