"""When pictures that arrive are announced."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

from tendies_ops.triggers.pictures_watch import PicturesWatch


def watch(announced: Any = None, **times: float) -> PicturesWatch:
    return PicturesWatch(announced, **{"quiet_s": 10, "every_s": 0, "patience_s": 300, **times})


def look(watch: PicturesWatch, now_s: float, **sizes: int) -> int:
    count = watch.on_listing([(name, size, 0) for name, size in sizes.items()], now_s)
    if count:
        watch.announced(now_s)
    return count


def test_a_picture_is_announced_once_when_it_has_not_changed_for_long_enough() -> None:
    one = watch()

    assert [look(one, now_s, a=5) for now_s in (0, 5, 9.9, 10, 15, 60)] == [0, 0, 0, 1, 0, 0]


def test_a_copy_that_grows_is_not_announced_before_it_has_ended() -> None:
    one = watch()

    assert [look(one, now_s, a=size) for now_s, size in ((0, 1), (9, 2), (18, 3), (27, 3), (28, 3))] == [0, 0, 0, 0, 1]


def test_a_picture_that_is_replaced_is_announced_again() -> None:
    one = watch(quiet_s=0)

    assert [look(one, now_s, a=size) for now_s, size in ((0, 1), (1, 1), (2, 9), (3, 9))] == [1, 0, 1, 0]


def test_files_that_arrive_together_are_one_event() -> None:
    one = watch()

    assert look(one, 0, a=1) == 0
    assert look(one, 8, a=1, b=1) == 0
    assert look(one, 12, a=1, b=1) == 0, "b is not whole yet, and a waits for it"
    assert look(one, 18, a=1, b=1) == 2


def test_a_stream_of_files_without_a_pause_is_announced_after_a_while_all_the_same() -> None:
    one = watch(patience_s=60)
    events = {}
    for now_s in range(0, 200, 5):
        if count := look(one, now_s, **{f"p{number}": 1 for number in range(now_s // 5 + 1)}):
            events[now_s] = count

    assert list(events) == [70, 135]


def test_two_events_are_some_time_apart() -> None:
    one = watch(quiet_s=0, every_s=60)

    assert [look(one, now_s, **{f"p{now_s}": 1}) for now_s in (0, 30, 60)] == [1, 0, 1]


def test_removed_pictures_are_not_announced_and_returning_ones_are() -> None:
    one = watch(quiet_s=0)

    assert [look(one, 0, a=1, b=1), look(one, 1, a=1), look(one, 2, a=1, b=1)] == [2, 0, 1]


def test_a_restart_announces_nothing_that_was_announced() -> None:
    one = watch(quiet_s=0)
    look(one, 1000, a=1, b=2)

    again = watch(one.to_json(), quiet_s=0)
    assert [look(again, 0, b=2, a=1), look(again, 1, a=1, b=2, c=3)] == [0, 1]


def test_what_arrived_while_nothing_watched_is_announced() -> None:
    one = watch(quiet_s=0)
    look(one, 1000, a=1)

    assert look(watch(one.to_json(), quiet_s=0), 0, a=1, b=1) > 0


@dataclass
class Folder:
    """Files that come in bursts: some at once, some copied slowly, some renamed."""

    sizes: dict[str, int] = field(default_factory=dict)
    growing: dict[str, int] = field(default_factory=dict)  # to this size
    renamed_at: dict[str, float] = field(default_factory=dict)

    def burst(self, number: int, count: int, now_s: float, chance: random.Random) -> None:
        for index in range(count):
            name = f"{number:03}/{index:04}.jpg"
            kind = chance.choice(["whole", "slow", "renamed"])
            self.sizes.update({name: 9} if kind == "whole" else {name: 1} if kind == "slow" else {})
            self.growing.update({name: 9} if kind == "slow" else {})
            self.renamed_at.update({name: now_s + chance.uniform(0, 20)} if kind == "renamed" else {})

    def tick(self, now_s: float, chance: random.Random) -> None:
        for name, until in list(self.growing.items()):
            self.sizes[name] += chance.randint(1, 2)
            if self.sizes[name] >= until:
                del self.growing[name]
        for name, at_s in list(self.renamed_at.items()):
            if at_s <= now_s:
                self.sizes[name] = 9
                del self.renamed_at[name]


def test_ten_thousand_files_in_bursts_are_all_announced_whole_by_few_events_with_two_restarts() -> None:
    chance = random.Random(7)
    folder, one = Folder(), watch(every_s=600)
    done: set[str] = set()
    events = bursts = 0
    for now_s in range(0, 8000, 5):
        if now_s % 50 == 0 and bursts < 100:
            folder.burst(bursts, 100, now_s, chance)
            bursts += 1
        folder.tick(now_s, chance)
        if now_s in (1700, 3300):
            one = watch(one.to_json(), every_s=600)
        if one.on_listing([(name, size, 0) for name, size in folder.sizes.items()], now_s):
            one.announced(now_s)
            events += 1
            done |= folder.sizes.keys() - folder.growing.keys()

    assert (bursts, len(done)) == (100, 10_000)
    assert events <= 100 // 10 + 2
