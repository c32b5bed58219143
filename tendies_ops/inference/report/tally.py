"""The counts of a run."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from tendies_ops.inference.ledger.outcomes import Outcome
from tendies_ops.inference.report.batch_report import FailedPicture
from tendies_ops.inference.results.table import ResultList

_FAILURES_KEPT = 1000
_SAMPLES_KEPT = 24
_NOTES_KEPT = 10


@dataclass
class Tally:
    """Counts of one run; memory does not grow with the number of pictures."""

    listed: int | None = None  #: files in the whole listing, once it is known
    found: int = 0
    ignored: int = 0
    done: int = 0
    skipped: int = 0
    failed: int = 0
    requests: int = 0
    retries: int = 0
    answered: int = 0  #: requests
    answered_ms: float = 0.0  #: of all of these together
    peak_concurrency: int = 0
    failures_by_kind: Counter[str] = field(default_factory=Counter)
    failures: list[FailedPicture] = field(default_factory=list)
    noted: int = 0  #: done pictures with a note
    notes: list[str] = field(default_factory=list)  #: the first of these: path and note
    samples: list[tuple[str, str]] = field(default_factory=list)  #: (input, output) of done pictures, spread evenly
    results: ResultList | None = None  #: places of the numbers of each picture, for a table
    _stride: int = 1

    @property
    def expected(self) -> int | None:
        """The number of pictures, once the listing is known; ignored files are subtracted."""
        return None if self.listed is None else self.listed - self.ignored

    @property
    def total(self) -> int:
        """The number of pictures with an outcome."""
        return self.done + self.skipped + self.failed

    def count(self, outcome: Outcome) -> None:
        """Count the outcome of a picture."""
        if self.results is not None and outcome.outcome != "failed":
            self.results.add(outcome)
        if outcome.outcome == "done":
            self._keep_sample(outcome)
            self.done += 1
            self._keep_note(outcome)
        elif outcome.outcome == "skipped":
            self.skipped += 1
        else:
            self.failed += 1
            self.failures_by_kind[outcome.kind or "unknown"] += 1
            if len(self.failures) < _FAILURES_KEPT:
                self.failures.append(FailedPicture(outcome.found.path, outcome.kind or "unknown", outcome.reason))

    def _keep_note(self, outcome: Outcome) -> None:
        if outcome.note:
            self.noted += 1
            self.notes = [*self.notes, f"{outcome.found.path}: {outcome.note}"][:_NOTES_KEPT]

    def _keep_sample(self, outcome: Outcome) -> None:
        """Keep every n-th; if there are too many, drop every second and double n."""
        if self.done % self._stride == 0:
            self.samples.append((outcome.found.path, outcome.output))
        if len(self.samples) > _SAMPLES_KEPT:
            self.samples = self.samples[::2]
            self._stride *= 2
