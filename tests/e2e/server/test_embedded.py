"""An embedded server as a child process of anyone who needs one."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path

import pytest
import requests

from tendies_ops.errors import UsageError
from tendies_ops.server.embedded import embedded_server

STUB = ("-m", "tests.support.stub_servable")


def flags_for(place: Path, **behaviour: object) -> list[str]:
    version = place / "models" / "1"
    version.mkdir(parents=True)
    (version / "stub.json").write_text(json.dumps(behaviour))
    return ["--model_name=m", f"--model_base_path={version.parent}", "--max_num_load_retries=0"]


def test_no_one_can_take_its_port_while_it_loads_and_no_one_is_kept_waiting_there(tmp_path: Path) -> None:
    flags = flags_for(tmp_path, load_seconds=1.5)
    with embedded_server(flags, tmp_path / "log", program=STUB) as server:
        address = ("127.0.0.1", int(server.url.rpartition(":")[2]))
        with socket.socket() as other, pytest.raises(OSError, match="already in use"):
            other.bind(address)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address, timeout=5)
        deadline_s = time.monotonic() + 60
        while True:
            try:
                answer = requests.get(f"{server.url}/v1/models/m", timeout=5)
                break
            except requests.ConnectionError:
                assert time.monotonic() < deadline_s, server.last_words()
                time.sleep(0.05)
    assert answer.json()["model_version_status"][0]["state"] == "AVAILABLE"
    assert server.process.returncode is not None


def test_what_it_said_when_it_did_not_start_is_at_hand(tmp_path: Path) -> None:
    flags = flags_for(tmp_path, load_error={"code": "DATA_LOSS", "message": "half of it is missing"})
    with embedded_server(flags, tmp_path / "log", program=STUB) as server:
        assert server.process.wait(60) == 255
        assert server.last_words().startswith("Failed to start server")
        assert "half of it is missing" in server.last_words()


def test_an_interpreter_that_is_not_there_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(UsageError, match="/no/python cannot be started"),
        embedded_server([], tmp_path / "log", python="/no/python"),
    ):
        pass
