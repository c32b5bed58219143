from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools import set_up

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture
def venv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stands for .venv: this interpreter, which has a real pip beside it or none."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    monkeypatch.setattr(set_up, "VENV", tmp_path)
    for name in ("SSL_CERT_FILE", "UV_DEFAULT_INDEX", "UV_CACHE_DIR", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def _pip_prints(monkeypatch: pytest.MonkeyPatch, listing: str) -> None:
    done = subprocess.CompletedProcess([], 0, stdout=listing)
    monkeypatch.setattr(set_up.subprocess, "run", lambda *_, **__: done)


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


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout that has no .venv yet."""
    directory = tmp_path / "checkout"
    (directory / "tools").mkdir(parents=True)
    for name in ("tools/setup", "tools/set_up.py", "requirements.txt", "pyproject.toml"):
        shutil.copy(REPOSITORY / name, directory / name)
    return directory


def _setup(checkout: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(checkout / "tools" / "setup"), "run"],
        env={"PATH": "/usr/bin:/bin", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_wrong_python_is_one_sentence(checkout: Path, tmp_path: Path) -> None:
    old = tmp_path / "python3.8"
    old.write_text("#!/bin/sh\n[ \"$1\" = -V ] && echo 'Python 3.8.18'\nexit 1\n")
    old.chmod(0o755)
    result = _setup(checkout, PYTHON=str(old))
    assert result.returncode == 1
    assert result.stderr == f"Error: tendies needs Python 3.10 to 3.13, but PYTHON={old} answers: Python 3.8.18.\n"


def test_no_python_at_all_is_one_sentence(checkout: Path, tmp_path: Path) -> None:
    for name in ("sh", "dirname", "cat", "cksum", "head"):
        (tmp_path / name).symlink_to(f"/usr/bin/{name}")
    result = _setup(checkout, PATH=str(tmp_path))
    assert result.returncode == 1
    assert "Error: tendies needs Python 3.10 to 3.13" in result.stderr
    assert "PYTHON=/path/to/python3.12" in result.stderr


def test_too_little_disk_is_one_sentence(checkout: Path) -> None:
    script = checkout / "tools" / "set_up.py"
    script.write_text(script.read_text().replace("NEEDED_DISK_GB = 4.0", "NEEDED_DISK_GB = 1e9"))
    result = _setup(checkout, PYTHON=sys.executable)
    assert result.returncode == 1
    assert "GB free, and .venv needs 1000000000 GB. Make room and try again." in result.stderr
    assert "Traceback" not in result.stderr
