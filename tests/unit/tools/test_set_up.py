from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tools import set_up


@pytest.fixture
def venv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stands for .venv: this interpreter, which has a real pip next to it or none."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    monkeypatch.setattr(set_up, "VENV", tmp_path)
    for name in ("SSL_CERT_FILE", "UV_DEFAULT_INDEX", "UV_CACHE_DIR", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def _pip_prints(monkeypatch: pytest.MonkeyPatch, listing: str) -> None:
    done = subprocess.CompletedProcess([], 0, stdout=listing)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: done)


def test_pips_index_and_certificates_are_handed_to_uv(venv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _pip_prints(monkeypatch, "global.cert='/etc/ssl/ours.pem'\nglobal.index-url='https://mirror.test/simple'\n")
    settings = set_up.settings_for_uv()
    assert settings["SSL_CERT_FILE"] == "/etc/ssl/ours.pem"
    assert settings["UV_DEFAULT_INDEX"] == "https://mirror.test/simple"


def test_what_is_said_to_uv_itself_wins(venv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _pip_prints(monkeypatch, "global.index-url='https://mirror.test/simple'\n")
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://own.test/simple")
    assert "UV_DEFAULT_INDEX" not in set_up.settings_for_uv()


def test_a_pip_environment_variable_wins_over_its_files(venv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _pip_prints(monkeypatch, "global.index-url='https://file.test'\n:env:.index-url='https://env.test'\n")
    assert set_up.settings_for_uv()["UV_DEFAULT_INDEX"] == "https://env.test"


def _failed(output: str) -> subprocess.CalledProcessError:
    return subprocess.CalledProcessError(1, ["pip"], output=output)


@pytest.mark.parametrize(
    ("output", "sentence"),
    [
        ("error: Failed to fetch\n  cause: dns error: Name or service not known", "cannot be reached"),
        ("OSError: [Errno 28] No space left on device", "is full"),
        ("ERROR: No matching distribution found for airflow==9", "No matching distribution found for airflow==9"),
    ],
)
def test_what_went_wrong_is_one_sentence(venv: Path, output: str, sentence: str) -> None:
    text = set_up.why(_failed(output))
    assert sentence in text
    assert "\n" not in text
