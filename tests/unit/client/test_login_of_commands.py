"""Commands against a server behind a login: it gets the token, and nothing that a command writes has it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.canned_server import Answer, CannedModel, CannedServer, Request, error_answer
from tests.support.certificates import Authority
from tests.support.sample_pictures import png

SECRET = "s3cret-token"
COMMANDS = {
    "batch": ["batch", "in", "out", "--model", "m"],
    "versions": ["versions", "--model-base-path", "base", "--model", "m"],
    "rollback": ["rollback", "--model-base-path", "base", "--model", "m"],
}


def guarded(model: Callable[[Request], Answer], seen: list[str]) -> Callable[[Request], Answer]:
    def answer(request: Request) -> Answer:
        seen.append(request.headers.get("authorization", ""))
        return model(request) if seen[-1] == f"Bearer {SECRET}" else error_answer(401, "who are you?")

    return answer


def run(folder: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    hidden = {"TENDIES_TOKEN", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"}
    environment = {name: value for name, value in os.environ.items() if name not in hidden} | variables
    command = [sys.executable, "-c", "from tendies_ops.cli.main import main; main()", *words]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    (tmp_path / "base").mkdir()
    (tmp_path / "in" / "a.png").write_bytes(png(1))
    (tmp_path / "token").write_text(SECRET)
    return tmp_path


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("way", ["file", "variable"])
def test_a_token_reaches_the_server_and_no_output(folder: Path, name: str, way: str) -> None:
    authority = Authority(folder)
    seen: list[str] = []
    model = CannedModel(lambda picture: picture, version=3)
    variables = {"SSL_CERT_FILE": str(authority.file)} | ({"TENDIES_TOKEN": SECRET} if way == "variable" else {})
    with CannedServer(guarded(model, seen), tls=authority.server_side()) as server:
        words = [*COMMANDS[name], "--server", server.url]
        ended = run(folder, *words, *(["--token-file", "token"] if way == "file" else []), **variables)

    assert set(seen) == {f"Bearer {SECRET}"}, ended.stderr
    assert name == "rollback" or ended.returncode == 0, ended.stderr  # there is no version to roll back to
    written = [path for path in folder.rglob("*") if path.is_file() and path.name != "token"]
    assert [path for path in written if SECRET.encode() in path.read_bytes()] == []
    assert SECRET not in ended.stdout + ended.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_sends_no_token_unencrypted_to_another_machine(folder: Path, name: str) -> None:
    ended = run(folder, *COMMANDS[name], "--server", "http://192.0.2.1:8501", TENDIES_TOKEN=SECRET)

    assert ended.returncode == 2
    assert "would be sent unencrypted" in ended.stderr
    assert SECRET not in ended.stdout + ended.stderr
