"""A folder of pictures, a canned model, and a short way to run one through the other."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tendies_ops.inference import BatchOptions, BatchReport, run_batch
from tests.support.canned_server import CannedModel, CannedServer
from tests.support.sample_pictures import inverted


@dataclass
class Bench:
    """One input, one output, one server."""

    input: Path
    output: Path
    model: CannedModel
    server: CannedServer
    cancelled: threading.Event = field(default_factory=threading.Event)

    def options(self, **changes: Any) -> BatchOptions:
        values: dict[str, Any] = {
            "input": str(self.input),
            "output": str(self.output),
            "model_name": "m",
            "servers": (self.server.url,),
            "timeout_s": 5.0,
            "provenance": False,
        }
        return BatchOptions(**{**values, **changes})

    def run(self, **changes: Any) -> BatchReport:
        return run_batch(self.options(**changes), cancelled=self.cancelled)

    def add(self, name: str, data: bytes) -> Path:
        path = self.input / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    def records(self) -> list[dict[str, Any]]:
        lines = (self.output / ".tendies" / "ledger.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]

    def newest_records(self) -> dict[str, dict[str, Any]]:
        return {record["input"]: record for record in self.records()}

    def outputs(self) -> dict[str, bytes]:
        return {
            path.relative_to(self.output).as_posix(): path.read_bytes()
            for path in sorted(self.output.rglob("*"))
            if path.is_file() and ".tendies" not in path.parts
        }


def counts(report: BatchReport) -> tuple[int, int, int, int]:
    """What became of a run's pictures: all, done, skipped, failed."""
    return report.total, report.done, report.skipped, report.failed


@pytest.fixture
def make_bench(tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    """Makes benches; arguments go to the canned model."""
    servers: list[CannedServer] = []

    def make(name: str = "one", **of_model: Any) -> Bench:
        model = CannedModel(of_model.pop("transform", inverted), **of_model)
        server = CannedServer(model)
        servers.append(server)
        (tmp_path / name / "in").mkdir(parents=True, exist_ok=True)
        return Bench(tmp_path / name / "in", tmp_path / name / "out", model, server)

    yield make
    for server in servers:
        server.stop()


@pytest.fixture
def bench(make_bench: Callable[..., Bench]) -> Bench:
    return make_bench()
