"""
Decide the meaning of a failed request: a bad picture, an unhealthy server, a gone version, or a wrong model.

A request that the server refuses is split until the refused pictures stand alone, which takes at most about
2 k log2(B) more requests for k bad ones among B. If the message is about shapes, pictures of different sizes are
separated first: some models make one tensor of a request. A request that the server fails on is sent again; it is split
too only if the server keeps answering others in between, was too slow or had no memory for it, and only a picture that
fails alone, several times, while others pass, is recorded as the reason. "Not now" (429, 503, no server) is never a
picture's fault.

One refusal decides nothing: a server that merges requests refuses all of them for one picture, even another client's.
So a picture that was refused alone is sent again with nothing else of this run in flight, until the refusals can be
about nothing else:

* if the message has the file's size, zeros are appended to the file, which no decoder reads: if the next message has
  the new size, it is about the file;
* other messages count in rounds: the picture and a harmless one are sent in random order. Whatever the other clients
  do, at most every second round refuses a good picture and lets the harmless one pass. The number of rounds depends on
  whether the server has shown that it merges, or in many rounds that it does not;
* messages about another file, and those that change, do not count; then only a larger number of rounds does.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal

from tendies_ops.client.refusals import Fit, fit_of_words
from tendies_ops.errors import (
    BadAnswerError,
    ModelServerError,
    RequestRefusedError,
    ServerSickError,
    ServerUnreachableError,
)
from tendies_ops.inference.ledger.outcomes import FailureKind

_PROOFS_TO_SPLIT = 1
_PROOFS_TO_BLAME = 3
_REFUSALS_OF_CONTROL = 8
_REFUSALS_OF_CONTROL_WHERE_MERGED = 20
# By whether the server merges requests; None: not known. A round counts against a good picture by chance every
# second time at most, so twenty blame one in a million.
_ROUNDS = {True: 20, None: 8, False: 4}
_ROUNDS_IN_ANY_WORDS = 24
_FAILURES_WHERE_MERGED = 8
_EVERY_ROUND = 4  # of the tries with padding, one sends the harmless picture instead, to come to an end
_FIRST_PAUSE_S = 0.02
_LONGEST_PAUSE_S = 0.1
_NOT_NOW = frozenset({429, 502, 503})
_TOO_LARGE = 413
# TensorFlow's messages about pictures that do not fit into one tensor: "Shapes of all inputs must match", and others.
_SHAPE_WORD = "shape"
# TensorFlow's RESOURCE_EXHAUSTED is a 429 too: "OOM when allocating tensor", "Out of memory while trying to allocate".
_MEMORY_WORDS = ("oom when", "out of memory", "failed to allocate")
_NOT_FOUND = 404
_NO_ACCESS = frozenset({401, 403, 407, 501})


@dataclass(frozen=True, slots=True)
class RequestHistory:
    """The failures of a request, and how it is sent next. Only this module makes new ones."""

    failures: int = 0  #: times the server failed on it
    proofs_passed: int = 0  #: of these, times that the server answered something else in between
    successes_seen: int = -1  #: the server's answers at the last failure
    needs_proof: bool = False  #: send the harmless picture right before it
    alone: bool = False  #: send it with nothing else of this run in flight
    padding: int = 0  #: zero bytes to append to its only file
    tries: int = 0  #: times it was refused as a single file
    refusals: int = 0  #: of these, the last ones with the same message
    rounds: int = 0  #: of these, times that the harmless picture was answered right before or after
    words: str = ""  #: message of the last refusal that can be about it
    fit: Fit = "open"  #: how that message fits

    @property
    def was_refused(self) -> bool:
        """Return True if the server refused it as a single file."""
        return self.tries > 0

    @property
    def proof_may_follow(self) -> bool:
        """Return True if the harmless picture may also be sent after it: the request crashes no server."""
        return self.was_refused and self.failures == 0

    def unpadded(self) -> RequestHistory:
        """Return the history after the file passed with padding, which counts as a round and not as an answer."""
        return dataclasses.replace(self, padding=0, refusals=0, rounds=self.rounds + 1)


NEW = RequestHistory()


@dataclass(frozen=True, slots=True)
class Step:
    """
    The next step after a failed request.

    ``retry``: send it again, after the server's pause. ``prove``: send the harmless picture before that.
    ``confirm``: send it again as its history says. ``split``: send its halves. ``split_by_size``: send the pictures of
    each size separately. ``blame``: its only part is the reason. ``stop``: the run cannot continue.
    """

    action: Literal["retry", "prove", "confirm", "split", "split_by_size", "blame", "stop"]
    kind: FailureKind = "refused"
    reason: str = ""
    pause_s: float = 0.0  #: upper limit on the pause before it is sent again
    merged: bool = False  #: the message is about another client's picture, or changes: the server merges requests


def is_refusal(error: ModelServerError, *, answered_before: bool) -> bool:
    """
    Return True if the server read the request and refused it.

    A 404 without Model Server's message means a wrong address, unless the address has answered before: then it comes
    from a proxy while the server restarts.
    """
    if isinstance(error, RequestRefusedError):
        return not (answered_before and error.http_status == _NOT_FOUND)
    return False


def after_refusal(  # noqa: PLR0913  # keyword-only facts
    history: RequestHistory,
    error: ModelServerError,
    *,
    file: bytes | None,
    of_one_size: bool = True,
    answered_before: bool = True,
    proved: bool = False,
    merges: bool | None = None,
    padding: int = 1,
) -> tuple[Step, RequestHistory]:
    """
    Return the next step after a refusal, and the new history.

    :param file: the only file of the request; None: it has several.
    :param answered_before: the server has answered a request of this run; if not, it may refuse all.
    :param proved: the harmless picture was answered right before or after.
    :param merges: the server merges requests of several clients; None: not known yet.
    :param padding: number of zero bytes to append, if the file is sent with some.
    """
    words = error.server_words or str(error)
    if file is None:
        return _after_refused_files(history, error, words, of_one_size=of_one_size, proved=proved)
    fit, now = _remember(history, words, file, proved=proved)
    merged = fit == "foreign" or history.words not in {"", now.words}
    if answered_before and _is_settled(now, fit, merges=merged or merges):
        return _verdict(error, _unpadded(words, file, history.padding)), now
    by_size = answered_before and now.fit == "its" and now.tries % _EVERY_ROUND > 0
    now = dataclasses.replace(now, alone=True, needs_proof=not by_size, padding=padding if by_size else 0)
    return Step("confirm", pause_s=_pause_s(now.tries), merged=merged), now


def after_refused_control(
    history: RequestHistory, error: ModelServerError, *, file: bytes, merges: bool | None
) -> tuple[Step, RequestHistory]:
    """
    Return the next step after the harmless picture was refused alone, and its new history.

    :param history: of the harmless picture since it passed the last time.
    :return: ``confirm``, until it was refused often enough with the same message; then ``stop`` if that is about
        access, else ``blame``: the model refuses it.
    """
    fit, now = _remember(history, error.server_words or str(error), file, proved=False)
    merged = fit == "foreign" or history.words not in {"", now.words}
    if now.refusals >= (_REFUSALS_OF_CONTROL_WHERE_MERGED if merges or merged else _REFUSALS_OF_CONTROL):
        return Step("stop" if error.http_status in _NO_ACCESS else "blame"), now
    return Step("confirm", pause_s=_pause_s(now.tries), merged=merged), now


def _after_refused_files(
    history: RequestHistory, error: ModelServerError, words: str, *, of_one_size: bool, proved: bool
) -> tuple[Step, RequestHistory]:
    if error.http_status in _NO_ACCESS and not proved:
        return Step("confirm"), dataclasses.replace(history, alone=True, needs_proof=True)
    by_size = not of_one_size and _SHAPE_WORD in words.lower()
    return Step("split_by_size" if by_size else "split"), history


def _remember(history: RequestHistory, words: str, file: bytes, *, proved: bool) -> tuple[Fit, RequestHistory]:
    """Add one refusal of a single file; a message about another file is not kept."""
    fit = fit_of_words(words, file + bytes(history.padding))
    now = dataclasses.replace(history, tries=history.tries + 1, rounds=history.rounds + proved)
    if fit == "foreign":
        return fit, now
    told = _unpadded(words, file, history.padding)
    same = history.words in {"", told}
    return fit, dataclasses.replace(now, refusals=history.refusals + 1 if same else 1, words=told, fit=fit)


def _unpadded(words: str, file: bytes, padding: int) -> str:
    """Return the message as it would be without padding."""
    return words.replace(str(len(file) + padding), str(len(file))) if padding else words


def _is_settled(history: RequestHistory, fit: Fit, *, merges: bool | None) -> bool:
    if history.rounds >= _ROUNDS_IN_ANY_WORDS:
        return True
    if fit == "its" and history.padding > 0:
        return True
    return fit != "foreign" and min(history.rounds, history.refusals) >= _ROUNDS[merges]


def _verdict(error: ModelServerError, words: str) -> Step:
    if error.http_status == _TOO_LARGE:
        return Step("blame", "too_large", f"the server accepts no request of this size: {words}")
    return Step("blame", "refused", f"the model refused it: {words}")


def _pause_s(tries: int) -> float:
    return min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** min(tries, 10))


def after_failure(
    history: RequestHistory, error: ModelServerError, *, parts: int, successes: int, merges: bool | None = None
) -> tuple[Step, RequestHistory]:
    """
    Return the next step after the server failed, or did not answer, and the new history.

    :param parts: number of parts of the request.
    :param successes: number of good answers so far.
    :param merges: the server merges requests of several clients; None: not known yet.
    """
    answered_others = 0 <= history.successes_seen < successes
    now = dataclasses.replace(history, failures=history.failures + 1, successes_seen=successes)
    if _is_not_now(error):
        return Step("retry"), now
    if parts > 1 and (_took_too_long(error) or _lacks_memory(error)):
        return Step("split"), now
    now = dataclasses.replace(now, proofs_passed=now.proofs_passed + answered_others)
    if parts > 1 and now.proofs_passed >= _PROOFS_TO_SPLIT:
        return Step("split"), now
    if now.proofs_passed >= (_FAILURES_WHERE_MERGED if merges else _PROOFS_TO_BLAME):
        kind: FailureKind = "bad_output" if isinstance(error, BadAnswerError) else "server_error"
        words = error.server_words or str(error)
        return Step("blame", kind, f"the server fails on this picture and answers others: {words}"), now
    if now.failures == 1:
        return Step("retry"), now
    return Step("prove"), dataclasses.replace(now, needs_proof=True, alone=parts == 1)


def fails_by_itself(error: ModelServerError) -> bool:
    """Return True if the server failed on this request at once and with a message: another one may pass."""
    return not (_is_not_now(error) or _took_too_long(error) or isinstance(error, ServerUnreachableError))


def _took_too_long(error: ModelServerError) -> bool:
    return isinstance(error, ServerSickError) and error.http_status in {504, None}


def _is_not_now(error: ModelServerError) -> bool:
    if isinstance(error, ServerUnreachableError):
        return not error.listens
    if isinstance(error, RequestRefusedError):  # see is_refusal
        return True
    return isinstance(error, ServerSickError) and error.http_status in _NOT_NOW and not _lacks_memory(error)


def _lacks_memory(error: ModelServerError) -> bool:
    words = error.server_words.lower()
    return error.http_status in {429, 500} and any(word in words for word in _MEMORY_WORDS)
