"""So many requests, some of them under way at a time: everybody measured is asked to do the same work."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

#: Turns are this many requests, or a multiple. Two or three lanes on two cores share them without a rest, so that none
#: ends with one request on one core while the other core idles, as it would where a turn ended by the clock.
SHARED_EVENLY = 6


def requests_in(seconds: float, images_per_second: float, batch_size: int) -> int:
    """How many requests take about this long, :data:`SHARED_EVENLY` at least."""
    return SHARED_EVENLY * max(1, round(seconds * images_per_second / batch_size / SHARED_EVENLY))


def take_turns(requests: int, lanes: int, predict: Callable[[int], object]) -> float:
    """
    Let ``lanes`` threads predict until ``requests`` are done; who is free takes the next.

    :param predict: does one request; is told the lane, from 0.
    :return: seconds from the first to the last.
    :raises Exception: the first that ``predict`` raised.
    """
    tickets = iter(range(requests))  # its next() is one step of the interpreter: no ticket is given out twice
    errors: list[Exception] = []

    def work(lane: int) -> None:
        try:
            while next(tickets, None) is not None:
                predict(lane)
        except Exception as error:  # raised again below, in the thread that asked
            errors.append(error)

    threads = [threading.Thread(target=work, args=(lane,)) for lane in range(lanes)]
    started_s = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took_s = time.perf_counter() - started_s
    if errors:
        raise errors[0]
    return took_s
