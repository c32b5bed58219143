"""CPU time by stage of the road: named functions are wrapped while a profile is taken, each thread's clock is read."""

from __future__ import annotations

import contextlib
import functools
import importlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Stages = Mapping[str, tuple[str, ...]]  #: stage -> functions, each written ``module:name`` or ``module:Class.name``


class Meter:
    """
    Adds up what each stage costs, without the stages called inside it.

    :param base: the stage of whatever a thread does outside the functions that are wrapped.
    """

    def __init__(self, base: str) -> None:
        self._base = base
        self._totals: list[Counter[str]] = []  # one a thread, so that none waits for another
        self._of_thread = threading.local()

    def cpu_s(self) -> Counter[str]:
        """CPU seconds by stage, of all threads that ever entered one, up to their last step from one to another."""
        total: Counter[str] = Counter()
        for of_thread in list(self._totals):
            total.update(dict(of_thread))
        return Counter({stage: elapsed_ns / 1e9 for stage, elapsed_ns in total.items()})

    def measured(self, function: Callable[..., Any], stage: str) -> Callable[..., Any]:
        """Return the function, with its CPU time counted as the stage's."""

        @functools.wraps(function)
        def measured(*arguments: Any, **named: Any) -> Any:
            outer = self._step(stage)
            try:
                return function(*arguments, **named)
            finally:
                self._step(outer)

        return measured

    def _step(self, stage: str) -> str:
        """Close what the thread is at, begin a stage; tell the one that was closed."""
        mine, now_ns = self._of_thread, time.thread_time_ns()
        try:
            before: str = mine.stage
            mine.totals[before] += now_ns - mine.since_ns
        except AttributeError:  # the first step of this thread, whose clock began with it
            before, mine.totals = self._base, Counter({self._base: now_ns})
            self._totals.append(mine.totals)
        mine.stage, mine.since_ns = stage, now_ns
        return before


@contextlib.contextmanager
def measuring(meter: Meter, stages: Stages) -> Iterator[None]:
    """
    Wrap the functions of all stages, and put them back.

    :raises AttributeError: a function is no longer there: the table of stages must follow the code.
    """
    with contextlib.ExitStack() as stack:
        for stage, functions in stages.items():
            for place in functions:
                owner, name = _owner_of(place)
                original = vars(owner)[name] if isinstance(owner, type) else getattr(owner, name)
                setattr(owner, name, meter.measured(original, stage))
                stack.callback(setattr, owner, name, original)
        yield


def _owner_of(place: str) -> tuple[Any, str]:
    module, _, path = place.partition(":")
    *classes, name = path.split(".")
    return functools.reduce(getattr, classes, importlib.import_module(module)), name
