"""Starts the embedded Model Server as a process of its own, with TensorFlow or with a stub servable."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import requests

from tests.support.ports import free_port

_ROOT = Path(__file__).parents[2]


@dataclass
class RunningServer:
    """A server process; leaving its ``with`` stops it."""

    url: str
    port: int
    process: subprocess.Popen[bytes]
    log_path: Path
    _stopped: bool = field(default=False, repr=False)

    def stop(self, *, timeout_s: float = 20.0) -> int:
        """SIGTERM, then SIGKILL for one that does not end; its exit status."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self.process.kill()
        return self.process.wait()

    def kill(self) -> None:
        """SIGKILL, as a crash."""
        self.process.kill()
        self.process.wait()

    def log(self) -> str:
        """What it has written."""
        return self.log_path.read_text(errors="replace")

    def wait_for_log(self, text: str, *, timeout_s: float = 60.0) -> None:
        """Wait until it has written this."""
        deadline = time.monotonic() + timeout_s
        while text not in self.log():
            assert time.monotonic() < deadline, f"waited for {text!r} in:\n{self.log()}"
            time.sleep(0.05)

    def status(self, model_name: str) -> dict[int, str]:
        """Version -> state, highest first; empty while the port is closed or the model unknown."""
        try:
            answer = requests.get(f"{self.url}/v1/models/{model_name}", timeout=10)
        except requests.ConnectionError:
            return {}
        entries: list[dict[str, Any]] = answer.json().get("model_version_status", [])
        return {int(entry["version"]): entry["state"] for entry in entries}

    def states(self, model_name: str) -> dict[int, str]:
        """Version -> state, with code and message for a failed load; empty while no one answers."""
        try:
            answer = requests.get(f"{self.url}/v1/models/{model_name}", timeout=30)
        except requests.ConnectionError:
            return {}
        found = {}
        for entry in answer.json().get("model_version_status", []):
            code, message = entry["status"]["error_code"], entry["status"]["error_message"]
            found[int(entry["version"])] = entry["state"] if code == "OK" else f"{entry['state']} {code}: {message}"
        return found

    def predict(self, model_name: str, instances: list[Any], suffix: str = "", signature: str = "") -> tuple[int, str]:
        """HTTP status and body of a predict request; ``suffix`` like ``/versions/1``."""
        body = {"signature_name": signature, "instances": instances}
        answer = requests.post(f"{self.url}/v1/models/{model_name}{suffix}:predict", json=body, timeout=120)
        return answer.status_code, answer.text

    def wait_for(self, model_name: str, version: int, state: str = "AVAILABLE", *, timeout_s: float = 60.0) -> None:
        """Wait until a version is in a state; AssertionError when it does not come to that."""
        deadline = time.monotonic() + timeout_s
        while self.status(model_name).get(version) != state:
            assert self.process.poll() is None, f"the server ended with {self.process.returncode}:\n{self.log()}"
            assert time.monotonic() < deadline, f"version {version} is {self.status(model_name)}:\n{self.log()}"
            time.sleep(0.02)

    def wait_until_open(self, *, timeout_s: float = 60.0) -> None:
        """Wait until the REST port answers, which is when the first versions serve."""
        deadline = time.monotonic() + timeout_s
        while not _answers(self.port):
            assert self.process.poll() is None, f"the server ended with {self.process.returncode}:\n{self.log()}"
            assert time.monotonic() < deadline, f"the port did not open in {timeout_s} s:\n{self.log()}"
            time.sleep(0.02)

    def __enter__(self) -> RunningServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()


def start_model_server(
    *flags: str, port: int | None = None, stub: bool = False, wait: bool = True, env: dict[str, str] | None = None
) -> RunningServer:
    """
    Start a server on 127.0.0.1.

    :param flags: tensorflow_model_server's, without the port: ``--model_name=m``, ``--model_base_path=/...``. For
        quick tests add ``--file_system_poll_wait_seconds=0.1`` (the embedded server reads fractions).
    :param stub: serve :mod:`tests.support.stub_servable` versions, without TensorFlow.
    :param wait: return when the port is open, which is when the first version serves; False returns at once (a server
        with nothing to load never opens its port).
    """
    port = free_port() if port is None else port
    module = "tests.support.stub_servable" if stub else "tendies_ops.server.run_server"
    log_path = Path(tempfile.mkdtemp(prefix="model-server-")) / "server.log"
    with log_path.open("wb") as log_file:
        process = subprocess.Popen(
            [sys.executable, "-m", module, f"--rest_api_port={port}", *flags],
            stdout=log_file,
            stderr=subprocess.STDOUT,
            cwd=_ROOT,
            env={**os.environ, **(env or {})},
        )
    server = RunningServer(f"http://127.0.0.1:{port}", port, process, log_path)
    if wait:
        try:
            server.wait_until_open()
        except BaseException:
            server.kill()
            raise
    return server


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/")
        connection.getresponse().read()
    except OSError:
        return False
    finally:
        connection.close()
    return True
