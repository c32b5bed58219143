from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tools.test_matrix import ROOT, install_command, needed_for_tests, oldest_airflow


@pytest.mark.parametrize(
    ("bound", "version"),
    [
        ('"apache-airflow>=3.3,<3.4"', "3.3.0"),
        ('"apache-airflow>=3.3.1,<4"', "3.3.1"),
        ('"apache-airflow>=4"', "4.0.0"),
    ],
)
def test_the_oldest_airflow_is_the_lower_bound(bound: str, version: str) -> None:
    assert oldest_airflow(f"dependencies = [\n    {bound},\n]") == version


def test_a_project_without_a_lower_bound_is_reported() -> None:
    with pytest.raises(SystemExit, match="no lower bound"):
        oldest_airflow("dependencies = []")


def test_what_the_tests_need_is_what_they_are_developed_with() -> None:
    found = needed_for_tests((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert {name.partition(">=")[0] for name in found} >= {
        "hatchling",
        "hypothesis",
        "pytest",
        "pytest-timeout",
        "pytest-xdist",
        "tomli",
    }


def test_the_installer_understands_how_it_is_called() -> None:
    command = [*install_command(Path(sys.executable)), "--quiet", "--help"]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
