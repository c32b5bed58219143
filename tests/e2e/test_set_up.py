"""``make setup`` where something is in the way: one clear sentence, no traceback."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
_FILES = (
    "Makefile",
    "tools/setup",
    "tools/set_up.py",
    "requirements.txt",
    "requirements-cluster.txt",
    "requirements-dev.txt",
    "pyproject.toml",
)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout that has no .venv yet."""
    directory = tmp_path / "checkout"
    (directory / "tools").mkdir(parents=True)
    for name in _FILES:
        shutil.copy(REPOSITORY / name, directory / name)
    return directory


def set_up(checkout: Path, **environment: str) -> str:
    """Call ``make setup``, which must fail, and return what it says on stderr."""
    result = subprocess.run(
        [shutil.which("make") or "make", "setup"],
        cwd=checkout,
        env={"PATH": "/usr/bin:/bin", **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 2
    assert "Traceback" not in result.stderr
    return result.stderr


def test_a_wrong_python_is_one_sentence(checkout: Path, tmp_path: Path) -> None:
    old = tmp_path / "python3.8"
    old.write_text("#!/bin/sh\n[ \"$1\" = -V ] && echo 'Python 3.8.18'\nexit 1\n")
    old.chmod(0o755)
    said = set_up(checkout, PYTHON=str(old)).splitlines()
    assert said[0] == f"Error: tendies needs Python 3.10 to 3.13, but PYTHON={old} answers: Python 3.8.18."


def test_no_python_at_all_is_one_sentence(checkout: Path, tmp_path: Path) -> None:
    for name in ("sh", "dirname", "cat", "cksum", "head"):
        (tmp_path / name).symlink_to(f"/usr/bin/{name}")
    said = set_up(checkout, PATH=str(tmp_path))
    assert "Error: tendies needs Python 3.10 to 3.13" in said
    assert "PYTHON=/path/to/python3.12" in said


def test_a_debian_python_without_venv_gets_the_name_of_the_package_that_has_it(checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "venv.py").write_text("import sys; sys.exit('not created, because ensurepip is not available')")
    python = tmp_path / "python3"
    python.write_text(f'#!/bin/sh\nPYTHONPATH={tmp_path} exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    said = set_up(checkout, PYTHON=str(python))
    package = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
    assert f"has no venv module. On Debian and Ubuntu: apt-get install {package}\n" in said
    assert not (checkout / ".venv").exists()


def test_too_little_disk_is_one_sentence(checkout: Path) -> None:
    script = checkout / "tools" / "set_up.py"
    script.write_text(script.read_text().replace("NEEDED_DISK_GB = 4.0", "NEEDED_DISK_GB = 1e9"))
    said = set_up(checkout, PYTHON=sys.executable)
    assert "GB free, and .venv needs 1000000000 GB. Make room and try again." in said


def test_no_way_to_the_package_index_is_one_sentence(checkout: Path) -> None:
    said = set_up(checkout, PYTHON=sys.executable, PIP_INDEX_URL="http://127.0.0.1:9/simple")
    assert "Error: The package index cannot be reached" in said
    assert "PIP_INDEX_URL" in said
