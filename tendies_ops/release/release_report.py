"""The report of a release or rollback, small enough for XCom."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from tendies_ops.files import write_text_atomically
from tendies_ops.publish.history import HistoryRecord
from tendies_ops.publish.layout import RELEASES, state_directory
from tendies_ops.release.context import ReleaseContext
from tendies_ops.release.replicas.prove import Proof
from tendies_ops.release.replicas.wait import WaitOutcome

ReleaseState = Literal["released", "already_serving", "rolled_back"]


@dataclass(frozen=True)
class ReplicaReport:
    """One replica at the end of a release that succeeded."""

    server: str
    seconds_to_available: float | None  #: from the rename to AVAILABLE; None: it was not measured
    golden_images: int  #: how many came back as promised
    max_difference: float  #: of 255


@dataclass(frozen=True)
class ReleaseReport:
    """A release that succeeded. One that failed is an exception."""

    state: ReleaseState
    model_name: str
    version: int
    previous_version: int | None
    model_digest: str
    checkpoint: str
    checkpoint_step: int | None
    model_base_path: str
    replicas: tuple[ReplicaReport, ...]
    elapsed_s: float | None  #: None: it was killed, and another run has finished it
    notes: tuple[str, ...] = ()
    swap: dict[str, Any] = field(default_factory=dict)  #: the probe's figures
    gate: dict[str, Any] = field(default_factory=dict)  #: candidate against live
    who: str = ""  #: who asked for it: the user of a DAG run, or user and host
    report_path: str = ""

    @property
    def servers(self) -> tuple[str, ...]:
        """The address of every replica."""
        return tuple(replica.server for replica in self.replicas)

    @property
    def seconds_to_available(self) -> float | None:
        """The seconds until the slowest replica was AVAILABLE; None: they were not measured."""
        measured = [r.seconds_to_available for r in self.replicas if r.seconds_to_available is not None]
        return round(max(measured), 3) if measured else None

    def summary(self) -> dict[str, Any]:
        """Return small JSON for XCom, ``--json`` and asset events."""
        extra = {"servers": list(self.servers), "seconds_to_available": self.seconds_to_available}
        return {**asdict(self), "replicas": [asdict(r) for r in self.replicas], "notes": list(self.notes), **extra}


@dataclass(frozen=True)
class Evidence:
    """The reasons why a release or rollback succeeded."""

    proofs: Sequence[Proof]  #: one of each replica that was asked
    outcomes: Mapping[str, WaitOutcome] = field(default_factory=dict)  #: when each served it, if that was measured
    swap: Mapping[str, Any] = field(default_factory=dict)  #: the probe's figures


def build_report(  # noqa: PLR0913  # keyword-only options
    ctx: ReleaseContext,
    state: ReleaseState,
    record: HistoryRecord,
    evidence: Evidence,
    *,
    previous_version: int | None,
    elapsed_s: float | None = None,
    gate: Mapping[str, Any] | None = None,
) -> ReleaseReport:
    """
    Build the report of a release or rollback that succeeded.

    :param record: the history record of the version.
    :param elapsed_s: how long all of it took; None: it was killed and another run has finished it.
    """
    seconds = {server: round(outcome.at_s, 3) for server, outcome in evidence.outcomes.items()}
    return ReleaseReport(
        state=state,
        model_name=record.model_name,
        version=record.version,
        previous_version=previous_version,
        model_digest=record.model_digest,
        checkpoint=record.checkpoint,
        checkpoint_step=record.checkpoint_step,
        model_base_path=str(ctx.base),
        replicas=tuple(ReplicaReport(p.server, seconds.get(p.server), p.images, p.max_abs) for p in evidence.proofs),
        elapsed_s=None if elapsed_s is None else round(elapsed_s, 3),
        notes=ctx.log.notes,
        swap=dict(evidence.swap),
        gate=dict(gate or {}),
        who=record.who,
    )


def reports_directory(model_base_path: Path) -> Path:
    """Return ``.tendies/releases``, which holds one report for each version, and contact sheets of gates."""
    directory = state_directory(model_base_path) / RELEASES
    directory.mkdir(exist_ok=True)
    return directory


def write_report(ctx: ReleaseContext, version: int, content: dict[str, Any]) -> str:
    """
    Keep what is known about the release of ``version``, which ended either way.

    :return: the path; empty: the disk took no report, which is noted and changes nothing about the release.
    """
    try:
        path = reports_directory(ctx.base) / f"{version}.json"
        write_text_atomically(path, json.dumps(content, indent=2, default=str) + "\n")
    except OSError as error:
        ctx.log.note(f"The report could not be kept: {error.strerror} ({error.filename}).")
        return ""
    return str(path)


def keep_report(ctx: ReleaseContext, report: ReleaseReport) -> ReleaseReport:
    """Write the report of a release that succeeded."""
    path = write_report(ctx, report.version, report.summary())
    return replace(report, report_path=path, notes=ctx.log.notes)
