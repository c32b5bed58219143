"""
Run the tests above the border on the oldest Airflow that ``pyproject.toml`` allows, in an environment of its own.

``make test`` runs them on the newest. Called by ``make test-matrix``; pytest's options follow.
"""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_TESTS = ("tests/unit/triggers", "tests/with_airflow", "tests/e2e/test_airflow_kills.py")


def main() -> int:
    """Make the environment if it is not there, and run the tests in it."""
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    version = oldest_airflow(pyproject)
    environment = ROOT / ".matrix" / f"airflow-{version}"
    python = environment / "bin" / "python"
    if not python.exists():
        sys.stdout.write(f"Making {environment.relative_to(ROOT)} (once; a minute or two) ...\n")
        sys.stdout.flush()
        venv.create(environment, with_pip=True)
    packages = [f"apache-airflow=={version}", *needed_for_tests(pyproject), "-e", str(ROOT)]
    subprocess.run([*install_command(python), "--quiet", *packages], check=True)
    return subprocess.run([str(python), "-m", "pytest", *_TESTS, *sys.argv[1:]], cwd=ROOT, check=False).returncode


def oldest_airflow(pyproject: str) -> str:
    """Return the lower bound of ``apache-airflow``, as a whole version: ``>=3.3`` is 3.3.0."""
    bound = re.search(r'"apache-airflow>=([0-9.]+)', pyproject)
    if bound is None:
        raise SystemExit("pyproject.toml has no lower bound for apache-airflow.")
    parts = bound[1].split(".")
    return ".".join([*parts, *["0"] * (3 - len(parts))])


def needed_for_tests(pyproject: str) -> list[str]:
    """Return the packages that the tests need besides tendies itself, with their bounds."""
    names = "apache-airflow-providers-(?:celery|openlineage)|celery|hatchling|hypothesis|pytest|tomli"
    return re.findall(rf'"((?:{names})[^"]*)"', pyproject)


def install_command(python: Path) -> list[str]:
    """By what ``make setup`` uses too, where it is there: uv is several times faster than pip."""
    if importlib.util.find_spec("uv") is not None:
        return [sys.executable, "-m", "uv", "pip", "install", "--python", str(python)]
    return [str(python), "-m", "pip", "install"]


if __name__ == "__main__":
    sys.exit(main())
