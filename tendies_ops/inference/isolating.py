"""
What a failed request means: a bad picture, a sick server, a gone version, or a model that takes no pictures at all.

A request that the server refuses is split until the refused pictures stand alone, which takes at most about
2 k log2(B) more requests for k bad ones among B. Where the words are about shapes, pictures of different sizes are
parted first: some models make one tensor of a request. A request that the server fails on is sent again; only when the
server keeps answering others in between, was too slow or had no memory for it, is it split too, and only a picture that
fails alone, several times, while others pass, is written down as the reason. "Not now" (429, 503, nobody there) is
never a picture's fault.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tendies_ops.errors import (
    BadAnswerError,
    ModelServerError,
    RequestRefusedError,
    ServerSickError,
    ServerUnreachableError,
)
from tendies_ops.inference.outcomes import FailureKind
from tendies_ops.inference.packing import Request

_PROOFS_TO_SPLIT = 1
_PROOFS_TO_BLAME = 3
_NOT_NOW = frozenset({429, 502, 503})
_TOO_LARGE = 413
# What TensorFlow says of pictures that make no one tensor: "Shapes of all inputs must match", "inconsistent shapes".
_SHAPE_WORD = "shape"
# TensorFlow's RESOURCE_EXHAUSTED is a 429 too: "OOM when allocating tensor", "Out of memory while trying to allocate".
_MEMORY_WORDS = ("oom when", "out of memory", "failed to allocate")
_NOT_FOUND = 404
_NO_ACCESS = frozenset({401, 403, 407, 501})


@dataclass(frozen=True, slots=True)
class Step:
    """
    What to do about a failed request.

    ``retry``: send it again, after the server's pause. ``prove``: ask the server something harmless before that.
    ``split``: send its halves. ``split_by_size``: send the pictures of each size for themselves. ``blame``: it holds
    one part, and that is the reason. ``stop``: the run cannot go on.
    """

    action: Literal["retry", "prove", "split", "split_by_size", "blame", "stop"]
    kind: FailureKind = "refused"
    reason: str = ""


def is_refusal(error: ModelServerError, *, answered_before: bool) -> bool:
    """
    Whether the server read the request and refused it.

    A 404 in other words than Model Server's is a wrong address, but not one that has answered before: then it is
    something in the server's place, such as a proxy while the server starts anew.
    """
    if isinstance(error, RequestRefusedError):
        return not (answered_before and error.http_status == _NOT_FOUND)
    return False


def after_refusal(request: Request, error: ModelServerError, *, answered_before: bool) -> Step:
    """
    The server read the request and refused it.

    :param answered_before: whether it has answered any picture of this run: if not, it may be refusing them all.
    """
    if error.http_status in _NO_ACCESS:
        return Step("stop")
    words = error.server_words or str(error)
    if not request.of_one_size and _SHAPE_WORD in words.lower():
        return Step("split_by_size")
    if len(request.parts) > 1:
        return Step("split")
    if error.http_status == _TOO_LARGE:
        return Step("blame", "too_large", f"the server takes no request of this size: {words}")
    return Step("blame", "refused", f"the model refused it: {words}") if answered_before else Step("prove")


def after_failure(request: Request, error: ModelServerError, successes: int) -> Step:
    """
    The server failed on the request, or nothing came back. Keeps count in ``request``.

    :param successes: how many requests the server has answered well so far.
    """
    request.failures += 1
    answered_others = 0 <= request.successes_seen < successes
    request.successes_seen = successes
    if _is_not_now(error):
        return Step("retry")
    if len(request.parts) > 1 and (_took_too_long(error) or _lacks_memory(error)):
        return Step("split")
    if answered_others:
        request.proved += 1
    if len(request.parts) > 1 and request.proved >= _PROOFS_TO_SPLIT:
        return Step("split")
    if request.proved >= _PROOFS_TO_BLAME:
        kind: FailureKind = "bad_output" if isinstance(error, BadAnswerError) else "server_error"
        words = error.server_words or str(error)
        return Step("blame", kind, f"the server fails on this picture and answers others: {words}")
    return Step("prove") if request.failures > 1 else Step("retry")


def fails_by_itself(error: ModelServerError) -> bool:
    """Whether the server failed on what it was asked, at once and in its own words: something else may well pass."""
    return not (_is_not_now(error) or _took_too_long(error) or isinstance(error, ServerUnreachableError))


def _took_too_long(error: ModelServerError) -> bool:
    return isinstance(error, ServerSickError) and error.http_status in {504, None}


def _is_not_now(error: ModelServerError) -> bool:
    if isinstance(error, ServerUnreachableError):
        return "nobody" in str(error)
    if isinstance(error, RequestRefusedError):  # see is_refusal
        return True
    return isinstance(error, ServerSickError) and error.http_status in _NOT_NOW and not _lacks_memory(error)


def _lacks_memory(error: ModelServerError) -> bool:
    words = error.server_words.lower()
    return error.http_status in {429, 500} and any(word in words for word in _MEMORY_WORDS)
