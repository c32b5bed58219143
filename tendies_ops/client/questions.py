"""The same question to several servers at once, without waiting for one that hangs."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from tendies_ops.client.rest_client import ModelServerClient
from tendies_ops.errors import ModelServerError, ServerSickError

T = TypeVar("T")


def ask_each(
    clients: Sequence[ModelServerClient], ask: Callable[[ModelServerClient], T], *, moment_s: float | None = None
) -> list[T | ModelServerError]:
    """
    Ask every server at the same time, each in a thread of its own that is never joined.

    :param ask: asks one, with the client's own timeout.
    :param moment_s: how long the others are waited for once one has answered well; absent: until each has answered or
        its timeout has passed.
    :return: what came of each, in the order of ``clients``.
    """
    answers: queue.SimpleQueue[tuple[int, T | BaseException]] = queue.SimpleQueue()

    def work(index: int) -> None:
        try:
            answers.put((index, ask(clients[index])))
        except BaseException as error:
            answers.put((index, error))

    for index in range(len(clients)):
        threading.Thread(target=work, args=(index,), daemon=True, name=f"tendies-question-{index}").start()
    got = _gather(answers, len(clients), moment_s)
    silent = "{} has not answered a question about its versions yet, while another server has."
    return [got.get(index, ServerSickError(silent.format(client.base_url))) for index, client in enumerate(clients)]


def _gather(
    answers: queue.SimpleQueue[tuple[int, T | BaseException]], count: int, moment_s: float | None
) -> dict[int, T | ModelServerError]:
    got: dict[int, T | ModelServerError] = {}
    until_s: float | None = None
    while len(got) < count:
        try:
            index, answer = answers.get(timeout=None if until_s is None else max(0.0, until_s - time.monotonic()))
        except queue.Empty:
            break
        if isinstance(answer, BaseException) and not isinstance(answer, ModelServerError):
            raise answer
        got[index] = answer
        if moment_s is not None and until_s is None and not isinstance(answer, ModelServerError):
            until_s = time.monotonic() + moment_s
    return got
