"""A checker that compares what the calendar shows with the ledgers themselves while runs are killed."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from pathlib import Path

from typing_extensions import Self

from tendies_ops.partitions.keys import Partitions
from tendies_ops.partitions.partition_states import SILENT_S, PartitionState
from tendies_ops.web.views.calendar import draw_calendar

_CLOCKS_S = 2.0  # between a write and the look at its time


def done_lines(output: Path) -> Counter[str]:
    """How often each picture of an output is recorded as done."""
    done: Counter[str] = Counter()
    for ledger in (output / ".tendies").glob("ledger*.jsonl"):
        for line in ledger.read_bytes().splitlines():
            if line.endswith(b"}"):  # the last one may be half a line
                record = json.loads(line)
                done[record["input"]] += record["outcome"] == "done"
    return done


class CheckedCalendar:
    """
    Draws the calendar every ``every_s`` in a thread and collects its lies; a context manager.

    :param root: pictures are in ``in/<key>``, results in ``out/<key>``; none of the pictures can fail.
    """

    def __init__(self, partitions: Partitions, root: Path, *, in_service: int = 1, every_s: float = 1.0) -> None:
        self.partitions, self.root, self.in_service = partitions, root, in_service
        self.every_s = every_s
        self.looks = 0
        self.lies: list[str] = []
        self.seen: Counter[str] = Counter()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def look(self) -> dict[str, PartitionState]:
        """Draw once, compare, and return what was shown by key."""
        keys = self._keys()
        before = {key: self._done(key) for key in keys}
        groups = draw_calendar(self.partitions, self.in_service, shown=36).groups
        shown = {cell.of.key: cell.of for group in groups for cell in group.cells}
        after = {key: self._done(key) for key in keys}
        for key in filter(shown.__contains__, keys):
            for lie in self._lies(shown[key], before[key], after[key]):
                self.lies.append(f"{key} is shown as {shown[key]}, but {lie}")
        self.looks += 1
        self.seen.update(one.state for one in shown.values())
        return shown

    def _run(self) -> None:
        try:
            while not self._stopped.wait(self.every_s):
                self.look()
        except Exception as error:  # a calendar that cannot be drawn is a lie
            self.lies.append(repr(error))

    def _keys(self) -> list[str]:
        return sorted(path.name for path in (self.root / "in").iterdir())

    def _done(self, key: str) -> int:
        return len(+done_lines(self.root / "out" / key))

    def _lies(self, one: PartitionState, before: int, after: int) -> list[str]:
        found = []
        if not before <= one.done <= after:
            found.append(f"its ledger has {before} to {after} pictures")
        pictures = len(list((self.root / "in" / one.key).iterdir()))
        if one.state == "done" and after != pictures:
            found.append(f"{pictures - after} pictures are missing")
        if one.state == "missing" and before:
            found.append(f"{before} pictures are done")
        if one.state == "running" and (silent_s := self._silent_s(one)) > SILENT_S + _CLOCKS_S:
            found.append(f"its run has been silent for {silent_s:.0f} s")
        if one.state in ("some failed", "failed", "older"):
            found.append("no picture fails here, and there is one version")
        return found

    def _silent_s(self, one: PartitionState) -> float:
        run = self.root / "out" / one.key / ".tendies" / "runs" / one.run_id
        return time.time() - max(path.stat().st_mtime for path in (run, *run.glob("progress.json")))
