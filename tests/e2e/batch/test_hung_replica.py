"""A Model Server that is stopped by a signal: it takes connections, holds what it has, and answers nothing."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tendies_ops.inference import BatchOptions, BatchReport, run_batch
from tests.support.candidates import MODEL_NAME, make_candidate, picture
from tests.support.model_server import RunningServer
from tests.support.shift_server import start_shift_server

PICTURES = 24


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[list[RunningServer]]:
    """Two that take half a second for a picture."""
    make_candidate(tmp_path / "base" / "1", answer_s=0.5)
    (tmp_path / "in").mkdir()
    for number in range(PICTURES):
        (tmp_path / "in" / f"{number:02}.png").write_bytes(picture(number))
    with start_shift_server(tmp_path / "base") as one, start_shift_server(tmp_path / "base") as other:
        for server in (one, other):
            server.wait_for(MODEL_NAME, 1)
        yield [one, other]


def run(folder: Path, servers: list[RunningServer]) -> BatchReport:
    urls = tuple(server.url for server in servers)
    places = {"input": str(folder / "in"), "output": str(folder / "out")}
    return run_batch(BatchOptions(**places, model_name=MODEL_NAME, servers=urls, max_batch_size=1))


def stop_on_the_way(server: RunningServer, output: Path) -> None:
    while len(list(output.glob("*.png"))) < PICTURES // 4:
        time.sleep(0.02)
    os.kill(server.process.pid, signal.SIGSTOP)


def test_a_server_that_is_stopped_on_the_way_costs_seconds_and_no_picture(
    tmp_path: Path, servers: list[RunningServer]
) -> None:
    """Its requests would have a minute each; a question about its status has five seconds."""
    threading.Thread(target=stop_on_the_way, args=(servers[0], tmp_path / "out"), daemon=True).start()
    started_s = time.monotonic()
    try:
        report = run(tmp_path, servers)
        took_s = time.monotonic() - started_s
    finally:
        os.kill(servers[0].process.pid, signal.SIGCONT)
    assert (report.done, report.failed) == (PICTURES, 0)
    assert {replica["server"]: replica["taken_out"] for replica in report.replicas} == {
        servers[0].url: 1,
        servers[1].url: 0,
    }
    assert took_s < 30.0
