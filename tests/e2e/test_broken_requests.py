from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import requests

from tests.support.broken_requests import BrokenRequests
from tests.support.fuzz_drive import drive
from tests.support.model_server import RunningServer, start_model_server

#: 0: closed without an answer; 414 and 431: limits on request line and headers; 505: another version of HTTP.
ANSWERS = {0, 200, 400, 404, 413, 414, 431, 501, 505}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "stub.json").write_text(json.dumps({"append": "!"}))
    with start_model_server("--model_name=m", f"--model_base_path={tmp_path}", stub=True) as running:
        yield running


def serves(server: RunningServer) -> bool:
    body = {"instances": [{"b64": base64.b64encode(b"picture").decode()}]}
    answer = requests.post(f"{server.url}/v1/models/m:predict", json=body, timeout=10)
    return answer.status_code == 200 and base64.b64decode(answer.json()["predictions"][0]["b64"]) == b"picture!"


def test_broken_requests_get_errors_and_the_server_serves_on(server: RunningServer) -> None:
    statuses = drive(server.port, BrokenRequests(1, "m"), 200)
    assert set(statuses) <= ANSWERS, statuses
    assert statuses[400] > 60
    assert serves(server)


@pytest.mark.slow
def test_ten_thousand_broken_requests_leave_memory_flat(server: RunningServer) -> None:
    process = psutil.Process(server.process.pid)
    drive(server.port, BrokenRequests(2, "m"), 2000)
    before_bytes = process.memory_info().rss
    statuses = drive(server.port, BrokenRequests(3, "m"), 10000)
    grown_mb = (process.memory_info().rss - before_bytes) / 1e6
    assert set(statuses) <= ANSWERS, statuses
    assert grown_mb < 30
    assert serves(server)
    assert "Traceback" not in server.log()
