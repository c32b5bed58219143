"""What HTTP alone costs, measured with the real client on a real socket."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from unittest.mock import MagicMock

import pytest

from bench import contenders, wire
from bench.contenders import Server, start_client
from bench.results import Row
from bench.wire import ceiling_row, cpu_ms_per_image, start_wire
from bench.workloads import Workload
from tests.support.canned_server import CannedServer, predictions_answer

PICTURE = b"\x89PNG of ours"


def test_http_alone_answers_what_we_answered_and_ends_with_the_bench(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contenders, "LOGS", tmp_path)
    monkeypatch.setattr(wire, "TURNS", 2)
    monkeypatch.setattr(wire, "TURN_S", 0.2)
    workload = Workload("made_up", "made up", tmp_path, b"a picture", 4)
    (tmp_path / "picture").write_bytes(workload.picture)
    with CannedServer(lambda _: predictions_answer([PICTURE] * 4)) as canned, ExitStack() as stack:
        client = start_client(stack, workload, tmp_path / "picture")
        http = start_wire(stack, Server("tendies", "tendies", MagicMock(), workload, 2, canned.port, client))

        assert http.first_pictures() == [PICTURE] * 4
        costs_ms = cpu_ms_per_image(http)

    assert all(0 <= cost_ms < 100 for cost_ms in costs_ms)  # 0 where it is below what the system counts
    assert http.process.poll() is not None


def test_what_http_takes_of_the_cores_is_not_left_to_tensorflow() -> None:
    workload = Workload("made_up", "made up", Path("models"), b"", 4)
    limit = Row("in process", 200.0, "images/s", "in process", 200.0, 1.0)

    row = ceiling_row(workload, limit, 8.0, (1.5, 0.5))

    assert (row.value, row.reference, row.ratio, row.promise) == (160.0, 200.0, 0.8, "")
