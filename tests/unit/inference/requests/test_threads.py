"""Short work on files is done in turns, longer work side by side."""

from __future__ import annotations

import threading
import time

import pytest

from tendies_ops.inference.requests.threads import Turns


class Watched:
    """Work that knows how many do it at once."""

    def __init__(self, seconds: float) -> None:
        self.most = 0
        self._seconds, self._now, self._lock = seconds, 0, threading.Lock()

    def __call__(self) -> None:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        time.sleep(self._seconds)
        with self._lock:
            self._now -= 1


def many_at_once(turns: Turns, work: Watched, *, files: int) -> int:
    turns.take("finish", files, work)  # by which the others know how long it takes
    threads = [threading.Thread(target=turns.take, args=("finish", files, work)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return work.most


@pytest.mark.parametrize(
    ("files", "together", "side_by_side"), [(10_000, False, False), (1, False, True), (10_000, True, True)]
)
def test_short_work_is_done_in_turns_and_longer_work_side_by_side(
    files: int, together: bool, side_by_side: bool
) -> None:
    most = many_at_once(Turns(together=together), Watched(0.05), files=files)

    assert (most > 1) is side_by_side


def test_one_kind_of_work_says_nothing_of_another() -> None:
    turns = Turns()
    turns.take("prepare", 1, Watched(0.05))

    assert many_at_once(turns, Watched(0.05), files=10_000) == 1


def test_work_that_fails_lets_the_next_one_begin() -> None:
    turns = Turns()
    with pytest.raises(ZeroDivisionError):
        turns.take("finish", 1, lambda: 1 // 0)

    assert turns.take("finish", 1, lambda: "done") == "done"
