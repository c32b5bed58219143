"""
What a failed request means: a bad picture, a sick server, a gone version, or a model that takes no pictures at all.

A request that the server refuses is split until the refused pictures stand alone, which takes at most about
2 k log2(B) more requests for k bad ones among B. Where the words are about shapes, pictures of different sizes are
parted first: some models make one tensor of a request. A request that the server fails on is sent again; only when the
server keeps answering others in between, was too slow or had no memory for it, is it split too, and only a picture that
fails alone, several times, while others pass, is blamed. "Not now" (429, 503, refused connection) is
never a picture's fault.

One refusal is no verdict: a server that merges requests refuses all of them for one picture, be it another client's.
So a picture that was refused alone is asked again with nothing else of this run in flight, until the refusals can be
about nothing else:

* where the words tell the file's size, zeros are put behind the file, which no decoder reads: refused in words that
  tell this new size, it was the file;
* other words count in rounds: the picture and a harmless one are asked in an order that is drawn. Whatever the other
  clients do, at most every second round refuses a good picture and lets the harmless one pass. How many rounds it takes
  depends on whether the server has shown that it merges, or in many rounds that it does not;
* words about another file, or that change, do not count at all; then only a larger number of rounds does.
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
# By whether the server merges requests; None: nobody knows. A round counts against a good picture by chance every
# second time at most, so twenty blame one in a million.
_ROUNDS = {True: 20, None: 8, False: 4}
_ROUNDS_IN_ANY_WORDS = 24
_FAILURES_WHERE_MERGED = 8
_EVERY_ROUND = 4  # of the tries with padding, one asks for something harmless instead, to come to an end
_FIRST_PAUSE_S = 0.02
_LONGEST_PAUSE_S = 0.1
_NOT_NOW = frozenset({429, 502, 503})
_TOO_LARGE = 413
# What TensorFlow says of pictures that make no one tensor: "Shapes of all inputs must match", "inconsistent shapes".
_SHAPE_WORD = "shape"
# TensorFlow's RESOURCE_EXHAUSTED is a 429 too: "OOM when allocating tensor", "Out of memory while trying to allocate".
_MEMORY_WORDS = ("oom when", "out of memory", "failed to allocate")
_NOT_FOUND = 404
_NO_ACCESS = frozenset({401, 403, 407, 501})


@dataclass(frozen=True, slots=True)
class RequestHistory:
    """What is remembered of a request that failed, and how it is to be sent next. Only this module makes new ones."""

    failures: int = 0  #: times the server failed on it
    proofs_passed: int = 0  #: of these, how often the server answered something else in between
    successes_seen: int = -1  #: the server's answers at the last failure
    needs_proof: bool = False  #: ask the server something harmless right before it is sent
    alone: bool = False  #: send it with nothing else of this run in flight
    padding: int = 0  #: bytes of nothing to be sent behind its only file
    tries: int = 0  #: times it was refused as a single file
    refusals: int = 0  #: of these, the last ones that say the same of it
    rounds: int = 0  #: of these, how often the server answered something harmless right before or after
    words: str = ""  #: of the last refusal that can be about it
    fit: Fit = "open"  #: how these words fit

    @property
    def was_refused(self) -> bool:
        """Return whether the server refused it as a single file."""
        return self.tries > 0

    @property
    def proof_may_follow(self) -> bool:
        """Whether the harmless picture may also come after it, as a drawn order wants it: it crashes no server."""
        return self.was_refused and self.failures == 0

    def unpadded(self) -> RequestHistory:
        """The same, for a file that passed with bytes of nothing behind it: that was a round, and no answer to it."""
        return dataclasses.replace(self, padding=0, refusals=0, rounds=self.rounds + 1)


NEW = RequestHistory()


@dataclass(frozen=True, slots=True)
class Step:
    """
    What to do about a failed request.

    ``retry``: send it again, after the server's pause. ``prove``: ask the server something harmless before that.
    ``confirm``: send it again as its history says. ``split``: send its halves. ``split_by_size``: send the pictures of
    each size for themselves. ``blame``: it holds one part, and that is the reason. ``stop``: the run cannot go on.
    """

    action: Literal["retry", "prove", "confirm", "split", "split_by_size", "blame", "stop"]
    kind: FailureKind = "refused"
    reason: str = ""
    pause_s: float = 0.0  #: before it is sent again, at most
    merged: bool = False  #: the words are about another client's picture, or change: the server merges requests


def is_refusal(error: ModelServerError, *, answered_before: bool) -> bool:
    """
    Return whether the server read the request and refused it.

    A 404 in other words than Model Server's is a wrong address, but not one that has answered before: then it is
    something in the server's place, such as a proxy while the server restarts.
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
    The server read the request and refused it.

    :param file: the only file of the request; None: it holds several.
    :param answered_before: whether it has answered anything in this run: if not, it may be refusing all.
    :param proved: the server answered something harmless right before or after.
    :param merges: whether the server merges requests of several clients; None: not known yet.
    :param padding: how many bytes of nothing to put behind the file, should it be asked with some.
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
    The server refused a harmless picture that it was asked alone.

    :param history: of the harmless picture since it passed the last time.
    :return: ``confirm``, until it was refused often enough in the same words; then ``stop`` where they are about
        access, else ``blame``: it is the model that refuses it.
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
    """Add one refusal of a single file; words about another file are not kept."""
    fit = fit_of_words(words, file + bytes(history.padding))
    now = dataclasses.replace(history, tries=history.tries + 1, rounds=history.rounds + proved)
    if fit == "foreign":
        return fit, now
    told = _unpadded(words, file, history.padding)
    same = history.words in {"", told}
    return fit, dataclasses.replace(now, refusals=history.refusals + 1 if same else 1, words=told, fit=fit)


def _unpadded(words: str, file: bytes, padding: int) -> str:
    """Words as they are of the file itself."""
    return words.replace(str(len(file) + padding), str(len(file))) if padding else words


def _is_settled(history: RequestHistory, fit: Fit, *, merges: bool | None) -> bool:
    if history.rounds >= _ROUNDS_IN_ANY_WORDS:
        return True
    if fit == "its" and history.padding > 0:
        return True
    return fit != "foreign" and min(history.rounds, history.refusals) >= _ROUNDS[merges]


def _verdict(error: ModelServerError, words: str) -> Step:
    if error.http_status == _TOO_LARGE:
        return Step("blame", "too_large", f"the server takes no request of this size: {words}")
    return Step("blame", "refused", f"the model refused it: {words}")


def _pause_s(tries: int) -> float:
    return min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** min(tries, 10))


def after_failure(
    history: RequestHistory, error: ModelServerError, *, parts: int, successes: int, merges: bool | None = None
) -> tuple[Step, RequestHistory]:
    """
    The server failed on the request, or nothing came back.

    :param parts: of the request.
    :param successes: how many requests the server has answered well so far.
    :param merges: whether the server merges requests of several clients; None: not known yet.
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
    """Whether the server failed on what it was asked, at once and in its own words: something else may well pass."""
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
