"""Typical mistakes on the command line. Those in a spec are in ``test_check.py``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.candidates import make_candidate
from tests.support.command_line import run_command
from tests.support.ports import free_port

_BATCH = ("batch", "--server", "http://127.0.0.1:9", "--model", "m")
_RELEASE = ("release", "candidate", "--server", "http://127.0.0.1:9", "--model-base-path", "base")

#: Arguments -> exit status, what was found, and what to do. ``candidate``, ``empty``, ``base`` and ``text.txt`` exist.
MISTAKES: list[tuple[Sequence[str], int, str, str]] = [
    (("exprot",), 2, "No such command 'exprot'", "export"),
    (("batch",), 2, "Missing argument 'INPUT'", "Usage"),
    ((*_BATCH, "empty"), 2, "Missing argument 'OUTPUT'", "Usage"),
    ((*_BATCH, "empty", "out", "--max-faild", "3"), 2, "No such option: --max-faild", "--max-failed"),
    ((*_BATCH, "empty", "out", "--max-concurrency", "many"), 2, "'--max-concurrency'", "must be a whole number"),
    (
        (*_BATCH, "empty", "out", "--output-quality", "101"),
        2,
        "--output-quality 101",
        "must be less than or equal to 100",
    ),
    ((*_BATCH, "empty", "out", "--output-format", "gif"), 2, "'gif' is not one of", "'png', 'jpeg', 'webp'"),
    ((*_BATCH, "empty", "out", "--size", "256"), 2, "--size 256", "such as 256x384"),
    ((*_BATCH, "empty", "out", "--version", "0"), 2, "--version 0", "the number of a version (1 or more)"),
    ((*_BATCH, "absent", "out"), 1, "The input folder absent", "No such file"),
    (("export", "absent.yaml", "-o", "out"), 2, "There is no model spec at absent.yaml", "tendies init DIR"),
    (("export", "text.txt", "-o", "out"), 2, "text.txt", "a mapping that starts with `model_name:`"),
    (("publish", "absent", "--model-base-path", "base"), 1, "absent has no", "Make it with `tendies export`"),
    (("publish", "empty", "--model-base-path", "base"), 1, "empty has no", "Make it with `tendies export`"),
    (("release", "text.txt", "--model-base-path", "base"), 2, "text.txt is neither", "a model spec (a .yaml file)"),
    (
        ("release", "candidate", "--server", "http://127.0.0.1:9"),
        2,
        "Name the directory that Model Server watches",
        "--model-base-path BASE",
    ),
    (("release", "candidate", "--model-base-path", "base"), 2, "at least one Model Server", "--server"),
    ((*_RELEASE, "--keep-versions", "0"), 2, "--keep-versions 0", "must be greater than 0"),
    ((*_RELEASE, "--min-ssim", "2"), 2, "--min-ssim 2.0", "must be less than or equal to 1"),
    (("release", "candidate", "--server", "host:x", "--model-base-path", "base"), 2, "host:x", "http://"),
    (("versions", "--model-base-path", "absent"), 2, "no model base path absent", "Nothing was published there"),
    (("init", "painter.keras"), 2, "There is no model at painter.keras", "Give a model's file"),
    (("check", "absent.yaml"), 1, "There is no model spec at absent.yaml", "tendies init DIR"),
]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    make_candidate(tmp_path / "candidate")
    (tmp_path / "empty").mkdir()
    (tmp_path / "base").mkdir()
    (tmp_path / "text.txt").write_text("some text\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize(("arguments", "status", "found", "remedy"), MISTAKES)
def test_a_mistake_ends_with_its_status_what_was_found_and_what_to_do(
    arguments: Sequence[str], status: int, found: str, remedy: str
) -> None:
    ended = run_command(*arguments)

    said = " ".join((ended.stderr + (ended.stdout if arguments[0] == "check" else "")).split())
    assert ended.status == status, said
    assert found in said
    assert remedy in said
    assert [words for words in ("Traceback", "Value error", "Input should", "[Errno") if words in said] == []


@pytest.mark.usefixtures("place")
def test_with_json_a_mistake_is_a_document_with_its_type() -> None:
    ended = run_command(
        "versions", "--model-base-path", "absent", "--json", "--server", f"http://127.0.0.1:{free_port()}"
    )

    assert json.loads(ended.stdout)["error"].keys() == {"type", "message", "retryable"}
