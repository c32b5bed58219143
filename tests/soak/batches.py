"""Batches all along: new and changed pictures, models that change, runs that are killed, answers that are garbled."""

from __future__ import annotations

import random
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.faults import checker, wire
from tests.faults.launching import Ended, Launcher
from tests.faults.wire import Wire
from tests.soak.models import MODEL_NAME
from tests.support.candidates import picture, shift
from tests.support.canned_server import Answer, Request

if TYPE_CHECKING:
    from tests.soak.day import Day

_PICTURES = 30
_PAUSE_S = 1.0  # in which a release need not wait for a run
_TROUBLES: tuple[wire.Change, ...] = (
    wire.status(500, "Internal"),
    wire.status(503, "The batch scheduling queue is full"),
    wire.status(504, "Timed out"),
    wire.reset_after(300),
    wire.cut_json,
    wire.garbage,
    wire.changed_rows(lambda rows: rows[:-1]),
)


class Batches:
    """One after the other, over the same folder."""

    def __init__(
        self, day: Day, launcher: Launcher, to_server: Wire, over: threading.Event, dice: random.Random
    ) -> None:
        self._day, self._launcher, self._wire, self._over, self._dice = day, launcher, to_server, over, dice
        self.pictures, self.results = day.folder / "in", day.folder / "out"
        self.pictures.mkdir()
        self._next_seed = 0
        for number in range(_PICTURES):
            self._change(number)
        to_server.fault = self._sometimes
        self._calm = False

    @property
    def predicted(self) -> int:
        """Pictures whose answers went out."""
        return self._wire.answered.total()

    def run(self) -> None:
        """Until the day is over."""
        while not self._over.is_set():
            for number in self._dice.sample(range(_PICTURES), 3):
                self._change(number)
            self._one(kill=self._dice.random() < 0.15)
            self._over.wait(_PAUSE_S)

    def last(self) -> None:
        """Undisturbed: everything is done, and a second run has nothing to do."""
        self._calm = True
        for _ in range(2):
            before = self._wire.answered.total()
            ended = self._one(kill=False)
            if ended.status != 0:
                self._day.notes.broke(
                    2, [f"the last batch, undisturbed, ended with {ended.status}: {ended.err[-800:]}"]
                )
        if self._wire.answered.total() != before:
            self._day.notes.broke(5, ["a batch with nothing to do asked the server"])

    def _change(self, number: int) -> None:
        """Every content is new, so that the wire can tell how often a picture was predicted."""
        self._next_seed += 1
        (self.pictures / f"{number:03}.png").write_bytes(picture(100_000 + self._next_seed))

    def _sometimes(self, request: Request, answer: Answer) -> Answer:
        if self._calm or self._dice.random() > 0.03 or not request.path.endswith(":predict"):
            return answer
        self._day.notes.count("answers garbled")
        return self._dice.choice(_TROUBLES)(request, answer)

    def _one(self, *, kill: bool) -> Ended:
        where = ("--server", self._wire.url, "--model", MODEL_NAME, "--model-base-path", self._day.base)
        limits = ("--max-batch-size", 8, "--max-concurrency", 2, "--timeout-s", 10, "--sick-deadline-s", 60)
        before = self._done()
        asked = {name: self._wire.answered[self._content(name)] for name in before}
        command = ("batch", self.pictures, self.results, *where, *limits)
        program = self._launcher.start("tendies", [str(word) for word in command])
        if kill:
            threading.Event().wait(self._dice.uniform(0.02, 0.8))
            program.kill()
        ended = program.wait(180)
        self._check(ended, before, asked)
        return ended

    def _content(self, name: str) -> bytes:
        return (self.pictures / name).read_bytes()

    def _done(self) -> dict[str, Any]:
        """
        Pictures that the ledger has as done, as they are now, and whose result is there -> its record.

        The result is another one where a run was killed after it had replaced it and before it wrote that down: that
        picture was in flight, and is predicted once more.
        """
        records = checker.ledger(self.results)
        return {
            name: record
            for name, record in records.items()
            if record["outcome"] == "done"
            and record["input_digest"] == checker.sha256(self._content(name))
            and record["output_digest"] == checker.sha256((self.results / record["output"]).read_bytes())
        }

    def _check(self, ended: Ended, before: dict[str, Any], asked: dict[str, int]) -> None:
        notes = self._day.notes
        outcome = "green" if ended.status == 0 else "killed" if ended.killed else "red"
        notes.count(f"batch: {outcome}")
        if outcome == "red":
            notes.broke(4, checker.words(ended.out, ended.err))
        newest = checker.ledger(self.results)
        for name, record in before.items():
            again = self._wire.answered[self._content(name)] > asked[name]
            same = all(newest[name][key] == record[key] for key in ("model_digest", "options_digest"))
            if again and same and newest[name]["run_id"] != record["run_id"]:
                notes.broke(5, [f"{name} was done with {record['model_digest']}, and predicted once more"])
        if ended.status == 0:
            notes.broke(2, self._reconciled(newest))
            self._compare_pixels(newest)  # a killed run may have written a result and not said so; the next one sees it

    def _reconciled(self, newest: dict[str, Any]) -> list[str]:
        wrong = [f"{path.name} has no outcome" for path in self.pictures.iterdir() if path.name not in newest]
        versions = {record["version"] for record in newest.values() if record["outcome"] == "done"}
        return wrong + checker.report(self.results, _PICTURES) + ([] if versions else ["nothing is done"])

    def _compare_pixels(self, newest: dict[str, Any]) -> None:
        for name, record in newest.items():
            if record["outcome"] == "done" and record["model_digest"] is None:
                self._day.notes.broke(6, [f"{name}: done, and by which model is not known"])
            by = self._day.models.shifts.get(record["model_digest"])
            current = record["input_digest"] == checker.sha256(self._content(name))
            if record["outcome"] != "done" or by is None or not current:
                continue
            if not checker.same(self.results / record["output"], checker.pixels(shift(self._content(name), by))):
                self._day.notes.broke(6, [f"{name}: the result is not what its model makes of it"])


def state_bytes(results: Path) -> int:
    """Ledger and reports."""
    return sum(path.stat().st_size for path in (results / ".tendies").rglob("*") if path.is_file())
