from __future__ import annotations

import base64
import json
from pathlib import Path

import requests

from tests.support.model_server import start_model_server


def _publish(base: Path, version: int, **behaviour: object) -> None:
    staging = base / f".{version}"
    staging.mkdir(parents=True)
    (staging / "saved_model.pb").write_bytes(b"")
    (staging / "stub.json").write_text(json.dumps(behaviour))
    staging.rename(base / str(version))


def _predict(url: str, *files: bytes) -> list[bytes]:
    instances = [{"b64": base64.b64encode(file).decode()} for file in files]
    answer = requests.post(f"{url}/v1/models/m:predict", json={"instances": instances}, timeout=10)
    assert answer.status_code == 200, answer.text
    return [base64.b64decode(item["b64"]) for item in answer.json()["predictions"]]


def test_a_new_version_takes_over_and_a_broken_one_does_not(tmp_path: Path) -> None:
    _publish(tmp_path, 1, append=" one")
    flags = (f"--model_base_path={tmp_path}", "--model_name=m", "--file_system_poll_wait_seconds=0.1")
    with start_model_server(*flags, "--max_num_load_retries=0", stub=True) as server:
        assert _predict(server.url, b"a", b"b") == [b"a one", b"b one"]
        _publish(tmp_path, 2, append=" two")
        server.wait_for("m", 2)
        assert _predict(server.url, b"a") == [b"a two"]
        server.wait_for("m", 1, "END")
        _publish(tmp_path, 3, load_error={"code": "DATA_LOSS", "message": "broken on purpose"})
        server.wait_for("m", 3, "END")
        assert server.status("m") == {3: "END", 2: "AVAILABLE", 1: "END"}
        assert _predict(server.url, b"a") == [b"a two"]
        assert server.stop() == 0


def test_a_server_that_waits_for_its_first_version_ends_on_sigterm(tmp_path: Path) -> None:
    with start_model_server("--model_name=m", f"--model_base_path={tmp_path}", stub=True, wait=False) as server:
        server.wait_for_log("No versions of servable m found")
        assert server.stop() == 0
