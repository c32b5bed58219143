"""Decide which pictures are processed: new and changed ones, and all that another model or options made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from tendies_ops.inference.ledger.ledger import Ledger, RunStamp, exact_outputs
from tendies_ops.inference.ledger.outcomes import LASTING_KINDS, Found, Outcome
from tendies_ops.inference.picture.picture_parameters import Parameters
from tendies_ops.inference.storage.local import Output


@dataclass(frozen=True, slots=True)
class Todo:
    """
    One file of the listing, with its record in the ledger.

    ``skip``: nothing to do. ``again``: it failed for a lasting reason, and nothing has changed. ``compare``: its time
    or size has changed; processed only if its content has. ``do``: everything else.
    """

    found: Found
    step: Literal["do", "compare", "skip", "again"]
    attempt: int = 1
    known: Outcome | None = None  #: its outcome if its content has not changed
    replaces: tuple[str, ...] = ()  #: its earlier results that still exist

    @property
    def settled(self) -> Outcome | None:
        """Its outcome, if the file need not be read."""
        return self.known if self.step in {"skip", "again"} else None


class Plan:
    """Compare the listing with the ledger."""

    def __init__(
        self, ledger: Ledger, stamp: RunStamp, output: Output, parameters: Parameters, *, retry_failed: bool
    ) -> None:
        self._ledger = ledger
        self._parameters = parameters
        self._stamp = stamp
        self._output = output
        self._retry_failed = retry_failed

    def decide(self, found: Found) -> Todo:
        """Return what is to be done with one file."""
        record = self._ledger.newest(found.path)
        if record is None:
            return Todo(found, "do")
        parameters = self._parameters.recorded(found.path)
        attempt = int(record["attempt"]) + 1
        outputs = exact_outputs(record)
        if found.problem or not self._same_work(record) or record.get("parameters", {}) != parameters:
            own = outputs if self._results_are_there(record, outputs) else ()
            return Todo(found, "do", attempt, replaces=own)
        unchanged = record["size_bytes"] == found.size_bytes and record["modified_ns"] == found.modified_ns != 0
        if record["outcome"] == "failed":
            return self._after_failure(found, record, attempt, unchanged=unchanged)
        if not self._results_are_there(record, outputs):
            return Todo(found, "do", attempt)  # a file of that name is not its own any more, and is not replaced
        known = Outcome(
            found,
            "skipped",
            input_digest=record["input_digest"] or "",
            output=outputs[0],
            output_digest=record["output_digest"] or "",
            output_size_bytes=record.get("output_size_bytes") or 0,
            output_modified_ns=record.get("output_modified_ns") or 0,
            further_outputs=outputs[1:],
            parameters=parameters,
        )
        return Todo(found, "skip" if unchanged else "compare", attempt, known, outputs)

    def _results_are_there(self, record: dict[str, Any], outputs: tuple[str, ...]) -> bool:
        if not outputs or not all(map(self._output.size_of, outputs[1:])):
            return False
        size_bytes, written_ns = record.get("output_size_bytes"), record.get("output_modified_ns")
        digest = record["output_digest"]
        return self._output.holds(outputs[0], size_bytes=size_bytes, modified_ns=written_ns, digest=digest)

    def _after_failure(self, found: Found, record: dict[str, Any], attempt: int, *, unchanged: bool) -> Todo:
        if self._retry_failed or not unchanged or record["kind"] not in LASTING_KINDS:
            return Todo(found, "do", attempt)
        return Todo(found, "again", attempt, Outcome(found, "failed", record["kind"], record["reason"] or ""))

    def _same_work(self, record: dict[str, Any]) -> bool:
        stamp = self._stamp
        if record["model_name"] != stamp.model_name or record["options_digest"] != stamp.options_digest:
            return False
        if record["model_digest"] and stamp.model_digest:
            return bool(record["model_digest"] == stamp.model_digest)
        return bool(record["version"] == stamp.version)  # a published number never changes its content
