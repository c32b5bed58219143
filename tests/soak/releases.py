"""A release every simulated minute: good ones, broken ones, rollbacks; some of them killed, some on a full disk."""

from __future__ import annotations

import random
import threading
import time
from typing import TYPE_CHECKING, Any

from tests.faults import checker
from tests.faults.launching import Ended, Fault, Launcher

if TYPE_CHECKING:
    from tests.soak.day import Day

_MINUTE_S = 40 * 60 / (24 * 60)
_PARTS = ("publish/", "release/", "files/")


class Releases:
    """One after the other, as a schedule starts them."""

    def __init__(self, day: Day, launcher: Launcher, over: threading.Event, dice: random.Random) -> None:
        self._day, self._launcher, self._over, self._dice = day, launcher, over, dice
        self._seen: dict[int, str] = {}
        self._turn = 0
        self.simulated_minutes = 0
        self.seconds: list[float] = []

    def first(self) -> None:
        """Nothing is served before."""
        ended = self._release(self._good())
        assert ended.status == 0, ended.err

    def last(self) -> None:
        """Undisturbed: it must go through, and nothing may be left of all the others."""
        ended = self._release(self._good())
        self._check(ended, "last release")
        if ended.status != 0:
            self._day.notes.broke(4, [f"the last release, undisturbed, did not go through: {ended.err[-800:]}"])

    def run(self) -> None:
        """Until the day is over."""
        began_s = time.monotonic()
        while not self._over.is_set():
            self._over.wait(max(0.0, began_s + self.simulated_minutes * _MINUTE_S - time.monotonic()))
            self.simulated_minutes += 1
            what, command = self._what_now()
            if self._dice.random() < 0.01:
                self._day.restart_server()
            started_s = time.monotonic()
            ended = self._carry_out(command)
            self.seconds.append(time.monotonic() - started_s)
            self._check(ended, what)

    def _what_now(self) -> tuple[str, tuple[Any, ...]]:
        chance = self._dice.random()
        if chance < 0.05 and len(checker.versions(self._day.base)) > 1:
            return "rollback", ("rollback", *self._where(), "--timeout-s", 30)
        if chance < 0.12:
            return "broken release", self._command(self._dice.choice(self._day.models.broken))
        return "release", self._command(self._good())

    def _good(self) -> Any:
        self._turn += 1
        good = list(self._day.models.good.values())
        return good[self._turn % len(good)]

    def _where(self) -> tuple[Any, ...]:
        return ("--model-base-path", self._day.base, "--server", self._day.url)

    def _command(self, candidate: Any) -> tuple[Any, ...]:
        return ("release", candidate, *self._where(), "--no-rehearsal", "--timeout-s", 30, "--keep-versions", 3)

    def _release(self, candidate: Any) -> Ended:
        return self._launcher.tendies(*self._command(candidate), timeout_s=120)

    def _carry_out(self, command: tuple[Any, ...]) -> Ended:
        faults, kill_after_s = self._fault()
        program = self._launcher.start("tendies", list(map(str, command)), faults)
        if kill_after_s:
            time.sleep(kill_after_s)
            program.kill()
        return program.wait(150)

    def _fault(self) -> tuple[list[Fault], float]:
        chance, number = self._dice.random(), self._dice.randint(1, 25)
        under = [str(self._day.base)]
        if chance < 0.06:
            return [], self._dice.uniform(0.05, 1.5)
        if chance < 0.10:
            return [{"kind": "at_line", "number": self._dice.randint(1, 4000), "parts": _PARTS}], 0.0
        if chance < 0.14:
            return [{"kind": "at_file_operation", "number": number, "then": "ENOSPC", "under": under}], 0.0
        if chance < 0.17:
            return [{"kind": "failing_sync", "number": number}], 0.0
        return [], 0.0

    def _check(self, ended: Ended, what: str) -> None:
        day, green = self._day, ended.status == 0
        outcome = "green" if green else "killed" if ended.killed else "red"
        day.notes.count(f"{what}: {outcome}")
        day.notes.broke(1, checker.base_path(day.base, self._seen, settled=green))
        if outcome == "red":
            day.notes.broke(4, checker.words(ended.out, ended.err))
        if green:
            version = max(checker.versions(day.base))
            serving = checker.serving(day.url)
            day.notes.broke(4, [] if serving == [version] else [f"green, and {serving} serves, not {version}"])
            day.notes.broke(6, checker.promises(day.url, day.base, version))
