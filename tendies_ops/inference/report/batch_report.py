"""The progress of a run, and its report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

_KINDS_IN_SUMMARY = 10


@dataclass(frozen=True, slots=True)
class BatchProgress:
    """The progress of a running batch. ``total`` and ``eta_s`` are None until the folder has been listed."""

    run_id: str
    model_name: str
    version: int
    state: str  #: ``running``, ``waiting`` (for a server), ``finished``, ``stopped`` (before its end)
    total: int | None
    found: int
    done: int
    skipped: int
    failed: int
    in_flight: int  #: requests
    concurrency: int  #: requests that the servers get at once
    elapsed_s: float
    images_per_second: float
    eta_s: float | None
    message: str = ""  #: reason for the wait
    parameters: Mapping[str, Any] = field(default_factory=dict)  #: given for all pictures of the run

    def in_words(self) -> str:
        """Return one line for people."""
        words = f"{self.done} done, {self.skipped} skipped, {self.failed} failed"
        words += f" of {self.total}" if self.total is not None else ""
        words += f"; {self.images_per_second:.1f} pictures a second"
        if self.eta_s is not None and self.state in ("running", "waiting"):
            words += f", about {self.eta_s:.0f} s left"
        return f"{words}; {self.message}" if self.message else words

    def as_dict(self) -> dict[str, Any]:
        """Return the progress as JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class FailedPicture:
    """One line of the list of failures."""

    input: str
    kind: str
    reason: str


@dataclass(frozen=True)
class BatchReport:
    """
    The report of a run: counts, rates and paths.

    ``total`` = ``done`` + ``skipped`` + ``failed`` (+ ``to_do`` of a dry run), or the run fails instead.
    """

    run_id: str
    model_name: str
    version: int
    model_digest: str | None
    options_digest: str
    input: str
    output: str
    started_at: str  #: ISO 8601, UTC
    total: int
    done: int
    skipped: int
    failed: int
    to_do: int  #: of a dry run: pictures that a run would process
    ignored: int  #: files that neither are nor claim to be pictures
    ok: bool | None  #: no more pictures failed than allowed; None: not judged (a shard, a dry run)
    elapsed_s: float
    images_per_second: float  #: done pictures
    requests: int
    retries: int
    peak_concurrency: int
    failures_by_kind: dict[str, int] = field(default_factory=dict)
    failures: tuple[FailedPicture, ...] = ()  #: the first thousand; the ledger has all
    noted: int = 0  #: done pictures with a note in their ledger line, such as pages that were left out
    notes: tuple[str, ...] = ()  #: the first of these, each with its picture
    dry_run: bool = False
    estimate_s: float | None = None  #: estimated seconds of the run, after a dry run; None: not known
    request_ms: float = 0.0  #: mean of the requests that were answered
    #: of each server: pictures ``answered``, times ``taken_out``, and the error of its ``trouble`` while it is out
    replicas: tuple[dict[str, Any], ...] = ()
    started_by: str = ""  #: what started it; empty: the command line
    version_reason: str = ""  #: reason for this version: a clause, such as ``the label stable names it``
    paths: dict[str, str] = field(default_factory=dict)  #: ledger, report, html, contact_sheet
    failures_allowed: int | None = None  #: of ``total``; None: not judged
    parameters: Mapping[str, Any] = field(default_factory=dict)  #: given for all pictures of the run

    def summary(self) -> dict[str, Any]:
        """Return counts, rates and paths, without lists of pictures: small enough for an XCom."""
        whole = asdict(self)
        whole.pop("failures")
        whole.pop("notes")
        kinds = sorted(self.failures_by_kind.items(), key=lambda item: -item[1])[:_KINDS_IN_SUMMARY]
        return {**whole, "failures_by_kind": dict(kinds)}

    def as_dict(self) -> dict[str, Any]:
        """Return the content of report.json."""
        return asdict(self)


def describe_failures(summary: Mapping[str, Any]) -> str:
    """Return one sentence on how many pictures failed and how many may, from a report's summary."""
    failed, total, allowed = summary["failed"], summary["total"], summary.get("failures_allowed")
    if total and failed == total:
        return f"All {total} pictures failed."
    if allowed is None:
        return f"{failed} of {total} pictures failed."
    rule = "`max_failed`, by default a tenth and at least one"
    return f"{failed} of {total} pictures failed; up to {allowed} may fail ({rule})."
