"""What became of a release, small enough for XCom."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tendies_ops.files import write_text_atomically
from tendies_ops.publish.layout import state_directory

if TYPE_CHECKING:
    from tendies_ops.release.transaction import Transaction

ReleaseState = Literal["released", "already_serving", "rolled_back"]


@dataclass(frozen=True)
class ReplicaReport:
    """One replica at the end of a release that went through."""

    server: str
    seconds_to_available: float | None  #: from the rename to AVAILABLE; None: nobody has watched
    golden_images: int  #: so many came back as promised
    max_difference: float  #: of 255


@dataclass(frozen=True)
class ReleaseReport:
    """A release that went through. One that did not is an exception."""

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
        """Every replica's address."""
        return tuple(replica.server for replica in self.replicas)

    @property
    def seconds_to_available(self) -> float | None:
        """Of the slowest replica; None: nobody has watched the swap."""
        watched = [r.seconds_to_available for r in self.replicas if r.seconds_to_available is not None]
        return round(max(watched), 3) if watched else None

    def summary(self) -> dict[str, Any]:
        """Small JSON: for XCom, ``--json``, asset events."""
        extra = {"servers": list(self.servers), "seconds_to_available": self.seconds_to_available}
        return {**asdict(self), "replicas": [asdict(r) for r in self.replicas], "notes": list(self.notes), **extra}


def reports_directory(model_base_path: Path) -> Path:
    """``.tendies/releases``: a report for each version, contact sheets of gates."""
    directory = state_directory(model_base_path) / "releases"
    directory.mkdir(exist_ok=True)
    return directory


def write_report(model_base_path: Path, version: int, content: dict[str, Any]) -> Path:
    """Keep what is known about the release of ``version``, whether it went through or not."""
    path = reports_directory(model_base_path) / f"{version}.json"
    write_text_atomically(path, json.dumps(content, indent=2, default=str) + "\n")
    return path


def keep_report(tx: Transaction, report: ReleaseReport) -> ReleaseReport:
    """Write the report of a release that went through, which is true also where a full disk takes no report of it."""
    try:
        return replace(report, report_path=str(write_report(tx.base, report.version, report.summary())))
    except OSError as error:
        tx.note(f"The report could not be kept: {error.strerror} ({error.filename}).")
        return replace(report, notes=tuple(tx.notes))
