"""What each promised outcome means, checked. Every function gives what is wrong, as text."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.faults import checker
from tests.faults.injection import Injection
from tests.faults.launching import Ended
from tests.faults.operations import Operation
from tests.faults.world import World

_SETTLE_S = 20.0


@dataclass
class Case:
    """One operation that has met its fault."""

    world: World
    operation: Operation
    injection: Injection
    ended: Ended
    before: list[int]  #: versions that were there
    served: list[int]

    def again(self) -> list[str]:
        """The same command, without the fault, goes through; and repeats nothing that was written down as done."""
        world = self.world
        self.mend()
        done = [name for name, record in checker.ledger(world.results).items() if record["outcome"] == "done"]
        pictures = {name: (world.pictures / name).read_bytes() for name in done}
        asked = {name: world.wire.answered[data] for name, data in pictures.items()}
        version = max(checker.versions(world.base), default=0)
        ended = world.tendies(*self.operation.command(world), timeout_s=120)
        if ended.status != 0:
            return [f"the same again does not go through: {ended.status} {ended.err[-700:]}"]
        wrong = self.operation.done(world)
        if version == max(self.served, default=0):
            twice = [name for name, data in pictures.items() if world.wire.answered[data] > asked[name]]
            wrong += [f"{name} was done, and predicted once more" for name in twice]
        return wrong

    def mend(self) -> None:
        self.world.wire.fault = lambda _, answer: answer
        self.injection.mend()

    def went_through(self) -> list[str]:
        if self.ended.status != 0:
            return [f"it ended with {self.ended.status}: {self.ended.err[-700:]}"]
        self.mend()
        return self.operation.done(self.world)

    def serves_as_before(self) -> list[str]:
        """The version before answers, once the servers have had the time to go back to it."""
        world, deadline_s = self.world, time.monotonic() + _SETTLE_S
        found = _serving_or_why_not(world)
        while found != self.served and time.monotonic() < deadline_s:
            time.sleep(0.02)
            found = _serving_or_why_not(world)
        wrong = [] if found == self.served else [f"{found} serves and not {self.served}"]
        return wrong or checker.promises(world.server.url, world.base, self.served[-1])

    def red_in_words(self) -> list[str]:
        if self.ended.killed:
            return []
        wrong = [] if self.ended.status in {1, 2} else [f"it ended with {self.ended.status}: {self.ended.err[-700:]}"]
        return wrong + checker.words(self.ended.out, self.ended.err)

    def some_good_version_serves(self) -> list[str]:
        """One alone, and it keeps its promises, as soon as a swap that may be under way is over."""
        deadline_s = time.monotonic() + _SETTLE_S
        while wrong := self._wrong_with_what_serves():
            if time.monotonic() > deadline_s:
                return wrong
            time.sleep(0.02)
        return []

    def _wrong_with_what_serves(self) -> list[str]:
        world = self.world
        found = _serving_or_why_not(world)
        if not (isinstance(found, list) and len(found) == 1 and found[0] in checker.versions(world.base)):
            return [f"{world.server.url} serves {found}"]
        try:
            return checker.promises(world.server.url, world.base, found[0])
        except OSError as error:
            return [f"{world.server.url} serves {found} and answers {error}"]


def _serving_or_why_not(world: World) -> list[int] | OSError:
    try:
        return world.serving()
    except OSError as error:
        return error


def _done(case: Case) -> list[str]:
    return case.went_through()


def _refused(case: Case) -> list[str]:
    wrong = case.red_in_words() + case.serves_as_before() + case.world.look(settled=False)
    there = checker.versions(case.world.base)
    mended_first = "away-1" in {path.name for path in case.world.base.iterdir()}
    if there != case.before and not mended_first:
        wrong.append(f"there are versions {there}, not {case.before} as before")
    return wrong or case.again()


def _restored(case: Case) -> list[str]:
    wrong = case.red_in_words() + case.serves_as_before() + case.world.look(settled=True)
    return wrong or case.again()


def _resumed(case: Case) -> list[str]:
    if case.ended.status == 0:  # it was over before the fault struck, or struck where it does no harm
        return _kept(case) if "were kept" in case.ended.err else case.went_through()
    wrong = case.red_in_words() + case.world.look(settled=False) + case.some_good_version_serves()
    if case.world.pictures.exists():
        version = case.served[-1]
        wrong += checker.batch(case.world.pictures, case.world.results, case.world.wanted(10 * version), settled=False)
    return wrong or case.again()


def _some_failed(case: Case) -> list[str]:
    world = case.world
    if case.ended.status != 3:
        return [f"it ended with {case.ended.status}: {case.ended.err[-700:]}"]
    failed = {name for name, record in checker.ledger(world.results).items() if record["outcome"] == "failed"}
    wanted = world.wanted(10 * case.served[-1])
    wanted.update({name.partition(".")[0]: None for name in failed})
    wrong = checker.batch(world.pictures, world.results, wanted, settled=True)
    return wrong + ([] if 0 < len(failed) < len(wanted) else [f"{len(failed)} pictures failed"])


def _kept(case: Case) -> list[str]:
    """A release that is true, next to versions that were to go."""
    world = case.world
    if case.ended.status != 0:
        return [f"it ended with {case.ended.status}: {case.ended.err[-700:]}"]
    new = max(checker.versions(world.base))
    said = case.ended.err + case.ended.out
    wrong = [] if "were kept" in said else [f"nobody was told that something was kept: {said}"]
    wrong += checker.promises(world.server.url, world.base, new) + world.look(settled=False)
    case.mend()
    ended = world.tendies(*case.operation.command(world))
    return wrong + ([] if ended.status == 0 else [ended.err[-700:]]) + case.operation.done(world)


def _unseen(case: Case) -> list[str]:
    """The run is green, results are wrong, and ``tendies replay`` tells."""
    world = case.world
    if case.ended.status != 0:
        return [f"it ended with {case.ended.status}: {case.ended.err[-700:]}"]
    case.mend()
    wanted = world.wanted(10 * case.served[-1])
    wrong = []
    for path in sorted(world.results.glob("*.png")):
        told = world.tendies("replay", path, "--input", world.pictures, "--server", world.server.url)
        right = checker.same(path, wanted[path.stem])
        if (told.status == 0) != right:
            wrong.append(f"replay of {path.name}, which is {'right' if right else 'wrong'}: {told.status} {told.err}")
    return wrong


OUTCOMES: dict[str, Callable[[Case], list[str]]] = {
    "done": _done,
    "refused": _refused,
    "restored": _restored,
    "resumed": _resumed,
    "some failed": _some_failed,
    "kept": _kept,
    "unseen": _unseen,
}
